"""Bootstrap intervals for coefficients of agreement. Arrays in, values out: numpy and scipy.sparse, no rows.

Every coefficient is a function of sums over items. So the bootstrap draws items with replacement, sums their columns
with one matrix product for many draws, and computes each coefficient from these sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import gammaincinv

DRAWS = 1000
BLOCK = 64
"""Draws that are computed at once: the weights of 20,000 items then take 10 MB."""
RARE = 3
"""The most items of one side, of a share, for which the Poisson bound counts."""
NORMAL = 1.959964
"""The 97.5 % quantile of the normal distribution, for 95 % intervals."""

Results = tuple[np.ndarray, np.ndarray]
"""Values, and for each the room beyond chance: 1 minus the agreement expected by chance."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Votes:
    """Answers to `items` items that several people answered.

    item, rater (v,) int: the item, from 0, and the person of each answer; chosen (v, classes): 1 for the classes of
    each answer, else 0. With `per_class`, an answer has any number of classes, and each class is a decision of its own.
    """

    items: int
    item: np.ndarray
    rater: np.ndarray
    chosen: sparse.csr_array
    per_class: bool = False

    def of(self, raters: np.ndarray) -> Votes:
        """Return the answers of these raters only."""
        rows = np.flatnonzero(np.isin(self.rater, raters))
        return Votes(self.items, self.item[rows], self.rater[rows], self.chosen[rows], self.per_class)

    @property
    def classes(self) -> int:
        return int(self.chosen.shape[1])

    def by_item(self) -> tuple[np.ndarray, sparse.csr_array]:
        """Return the number of answers to each item, (items,), and of choices of each class, (items, classes)."""
        v = len(self.item)
        sums = sparse.csr_array((np.ones(v), (self.item, np.arange(v))), shape=(self.items, v))
        return np.bincount(self.item, minlength=self.items).astype(float), (sums @ self.chosen).tocsr()


@dataclass(frozen=True, slots=True)
class Statistic:
    """A statistic of j values.

    columns (items, k): each item's summands; values: maps sums (draws, k) to `Results` of (draws, j), nan for an
    undefined value; sizes (j,): the number of items behind each value.
    """

    columns: sparse.csr_array
    values: Callable[[np.ndarray], Results]
    sizes: np.ndarray


def estimates(statistics: list[Statistic], *, draws: int = DRAWS) -> list[list[Estimate | None]]:
    """Return the j values of each statistic with their 95 % intervals, the same in each call; None for an undefined
    value. Takes O(draws × non-zero entries of the columns) time.

    statistics : all over the same items, of which they share the draws.
    draws : the number of bootstrap draws.
    """
    columns = sparse.csr_array(sparse.hstack([each.columns for each in statistics])).T.tocsr()
    cuts = np.cumsum([each.columns.shape[1] for each in statistics])[:-1]
    n = columns.shape[1]
    rng = np.random.default_rng(0)
    drawn: list[list[np.ndarray]] = [[] for _ in statistics]
    for start in range(0, draws, BLOCK):
        b = min(BLOCK, draws - start)
        places = rng.integers(0, n, (b, n)) + n * np.arange(b)[:, None]
        weights = np.bincount(places.ravel(), minlength=b * n).reshape(b, n).astype(float)
        for each, sums, values in zip(statistics, np.split((columns @ weights.T).T, cuts, axis=1), drawn, strict=True):
            values.append(each.values(sums)[0])
    results = []
    for each, values in zip(statistics, drawn, strict=True):
        point, left = (part[0] for part in each.values(np.asarray(each.columns.sum(axis=0), float).reshape(1, -1)))
        spread = _spread(np.concatenate(values))
        results.append([_estimate(*row) for row in zip(point, spread, left, each.sizes, strict=True)])
    return results


def _spread(values: np.ndarray) -> np.ndarray:
    """Return the standard deviation (j,) of each column over the draws in which it is defined; 0 if in none."""
    known = ~np.isnan(values)
    n = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, values, 0).sum(axis=0) / n
    return np.sqrt((np.where(known, values - means, 0) ** 2).sum(axis=0) / n)


def _estimate(value: float, spread: float, left: float, n: float) -> Estimate | None:
    """Return the value with Wilson's interval for the effective number of items: of a plain share with this spread.

    E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", Survey Methodology 24 (1998). Quantiles of the draws would cover too seldom if people
    differ on few items, and have no width if they differ on none.
    """
    if np.isnan(value):
        return None
    share = min(max(1 - (1 - value) * left, 0.0), 1.0)
    variance, plain = (spread * left) ** 2, share * (1 - share)
    size = plain / variance if min(plain, variance) > 1e-12 else float(n)
    low, high = (1 - (1 - end) / left for end in _interval(share, size))
    # Wilson's interval holds its share. Here a rounding error, or a mean of κ below every share, may put it outside.
    return Estimate(float(value), float(min(max(low, -1.0), value)), float(max(min(high, 1.0), value)))


def _interval(share: float, size: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `size` items; where one side is rare, with the Poisson bound as its end.

    L. D. Brown, T. T. Cai and A. DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16
    (2001), section 4.1.1. Without the bound, the interval covers a share near 0 or 1 in only 84 % of all samples.
    """
    middle = (share + NORMAL**2 / (2 * size)) / (1 + NORMAL**2 / size)
    half = NORMAL / (1 + NORMAL**2 / size) * math.sqrt(share * (1 - share) / size + NORMAL**2 / (4 * size**2))
    low, high = middle - half, middle + half
    if 0 < size * share <= RARE:
        low = min(low, gammaincinv(size * share, 0.05) / size)
    if 0 < size * (1 - share) <= RARE:
        high = max(high, 1 - gammaincinv(size * (1 - share), 0.05) / size)
    return low, high
