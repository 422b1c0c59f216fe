"""Whether one of two models is right more often on the same items, beyond chance.

Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
Psychometrika 12 (1947), in its exact form. Only items on which one model is right and the other wrong count. If both
models are equally good, either is right on each of these items with probability one half.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest

UNLIKELY = 0.05
"""The level of the test: of twenty pairs of equally good models, one is called different."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The comparison of two models on `n` items: `gained` is the number on which only the later is right, `lost` the
    number on which only the earlier is.
    """

    n: int
    gained: int
    lost: int

    @property
    def better(self) -> bool:
        """Whether the later model is right more often, beyond chance."""
        return self.gained > self.lost and chance(self.gained, self.lost) < UNLIKELY

    @property
    def worse(self) -> bool:
        """Whether the later model is right less often: the 95 % interval of the difference lies below zero.

        That is so if the Clopper-Pearson interval of the share lost, among the items on which the models differ, lies
        above one half. At least six such items are needed. Of models that are not worse, at most one in forty is called
        worse, for any n.
        """
        return self.lost > self.gained and chance(self.gained, self.lost) < UNLIKELY


def compare(later_right: ArrayLike, earlier_right: ArrayLike) -> Compared:
    """Compare two models by the items on which they are right.

    Parameters
    ----------
    later_right, earlier_right : array-like of shape (n,), bool

    Returns
    -------
    Compared

    Raises
    ------
    ValueError
        If the shapes differ or the types are not bool.

    Examples
    --------
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
    """Return the p-value of the two-sided exact sign test.

    >>> chance(5, 0)
    0.0625
    >>> chance(3, 3)
    1.0
    """
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
