"""Two models on the very same items: is one right more often than the other, beyond chance?

Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
Psychometrika 12 (1947), in its exact form. Only items that one of the two has right and the other wrong tell them
apart. If both are equally good, each of these falls to either like a fair coin.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest

UNLIKELY = 0.05
"""Of two models that are equally good, chance alone parts one pair in twenty so far: one in forty to either side."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Of `n` items that both have seen: how many only the later model has right, and how many only the earlier."""

    n: int
    gained: int
    lost: int

    @property
    def better(self) -> bool:
        """Whether the later one is right more often, beyond chance."""
        return self.gained > self.lost and chance(self.gained, self.lost) < UNLIKELY

    @property
    def worse(self) -> bool:
        """Whether it is right less often: the 95 % interval of the difference lies wholly below zero.

        Exactly if the Clopper-Pearson interval of the share lost among the items they differ on lies above one half.
        It takes six such items at least. Of models that are not worse, at most one in forty is called so, whatever n.
        """
        return self.lost > self.gained and chance(self.gained, self.lost) < UNLIKELY


def compare(later_right: ArrayLike, earlier_right: ArrayLike) -> Compared:
    """From (n,) bool each, whether it was right on an item. Raises ValueError for shapes or types that do not fit.

    >>> compare([True, True, False], [True, False, False])
    Compared(n=3, gained=1, lost=0)
    """
    later, earlier = np.asarray(later_right), np.asarray(earlier_right)
    if later.shape != earlier.shape or later.ndim != 1:
        raise ValueError(f"one value an item for each model, not {later.shape} and {earlier.shape}")
    if later.size and not later.dtype == earlier.dtype == np.bool_:
        raise ValueError(f"right must be true or false, not {later.dtype} and {earlier.dtype}")
    return Compared(len(later), int((later > earlier).sum()), int((later < earlier).sum()))


@lru_cache(maxsize=4096)  # of many classes, most differ on as few items as others
def chance(gained: int, lost: int) -> float:
    """The probability that chance alone parts so many items as unevenly, or more so: the two-sided exact sign test.

    >>> chance(5, 0)
    0.0625
    >>> chance(3, 3)
    1.0
    """
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
