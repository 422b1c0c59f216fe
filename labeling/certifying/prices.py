"""What people's label of an item costs, by the probability that the model's label is right.

The unit is an answer to an item alone. Doubtful items cost more than those which one glance confirms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labeling.certifying.plan import Plan

Price = Callable[[np.ndarray], np.ndarray]
"""Maps probabilities of the model's labels (n,) to answers (n,)."""


@dataclass(frozen=True, slots=True)
class Flat:
    """The same price for all items: above 1 with overlap."""

    answers: float = 1.0

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        return np.full(len(probabilities), self.answers)


ONE_ANSWER = Flat()


def by_hand(plan: Plan, price: Price) -> np.ndarray:
    """Return people's answers (G,) for an item of each stratum."""
    return price(1 - plan.expected)
