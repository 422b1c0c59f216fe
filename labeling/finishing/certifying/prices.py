"""What people's label of an item costs, by the probability that the model's label is right.

The unit is an audit's draw: an item that is asked alone, with its further answers. Items that one glance confirms cost
less.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labeling.finishing.certifying.plan import Plan

Price = Callable[[np.ndarray], np.ndarray]
"""Maps probabilities of the model's labels (n,) to prices (n,)."""


def alone(probabilities: np.ndarray) -> np.ndarray:
    """Return 1 for each item: all items are asked as draws are."""
    return np.ones(len(probabilities))


def by_hand(plan: Plan, price: Price) -> np.ndarray:
    """Return the price (G,) of people's label for an item of each stratum."""
    return price(1 - plan.expected)
