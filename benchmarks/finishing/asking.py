"""Choose how people are asked about an item: alone, with the model's suggestion, or in a grid of one predicted class.

The choice takes the way with the fewest expected seconds, where a wrong label costs the seconds that it takes to avoid
one elsewhere. Pace and errors are those that a project has measured.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Way(IntEnum):
    """The ways of asking, in the order of the rows of `expected`."""

    ALONE = 0
    SUGGESTED = 1
    GRID = 2


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of people's time.

    alone : an item alone.
    accept : an item with a suggestion that is accepted.
    refuse : the further seconds of a suggestion that is refused.
    cell : one more item in a grid, with its share of the page.
    mark : to mark an item of a grid, which is then asked alone.
    again : to ask others about an item after an answer that is not the model's label.
    """

    alone: float
    accept: float
    refuse: float
    cell: float
    mark: float
    again: float = 0.0


@dataclass(frozen=True, slots=True)
class Errors:
    """Shares of people's answers that are wrong.

    alone : to an item alone.
    follows : answers that are the suggestion, whatever the person would have answered alone.
    missed : wrong items of a grid that are not marked: (n,) by item, or one for all.
    slips : right items of a grid that are marked.
    """

    alone: float
    follows: float
    missed: np.ndarray | float
    slips: float


def expected(probabilities: np.ndarray, pace: Pace, errors: Errors) -> tuple[np.ndarray, np.ndarray]:
    """Return the expected seconds, and the expected shares of wrong labels, of each way: (3, n) each.

    probabilities : (n,) of the predicted labels.
    """
    wrong = 1 - probabilities
    refused = (1 - errors.follows) * (probabilities * errors.alone + wrong)
    marked = wrong * (1 - errors.missed) + probabilities * errors.slips
    seconds = [
        pace.alone + (probabilities * errors.alone + wrong) * pace.again,
        pace.accept + refused * (pace.refuse + pace.again),
        pace.cell + marked * (pace.mark + pace.alone + pace.again),
    ]
    shares = [
        np.full(len(wrong), errors.alone),
        errors.follows * wrong + (1 - errors.follows) * errors.alone,
        wrong * errors.missed + marked * errors.alone,
    ]
    return np.array(seconds), np.array(shares)


def choose(probabilities: np.ndarray, pace: Pace, errors: Errors, *, price: float) -> np.ndarray:
    """Return the cheapest `Way` of each item: (n,) int.

    price : seconds that a wrong label costs.
    """
    seconds, shares = expected(probabilities, pace, errors)
    return np.asarray(np.argmin(seconds + price * shares, axis=0))
