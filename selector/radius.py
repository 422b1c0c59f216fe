"""How far an item's label holds for its near-copies, learned from copies that people labeled themselves."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from selector.checks import scores, share, whole_number


class Radius(NamedTuple):
    """Two heights in a dendrogram."""

    trusted: float | None
    """The greatest height at which copies are proven good enough. None: at none."""
    reach: float | None
    """The greatest height at which copies are not proven too bad, 0 if they are at all. None: nothing was checked."""


def learn_radius(
    heights: ArrayLike, agreed: ArrayLike, *, error: float, confidence: float = 0.9, radii: int = 5
) -> Radius:
    """The radii at which the labels of picked items hold, and may hold, for their near-copies.

    heights: (m,) of the copies that were checked, drawn by chance from those within some radius.
    agreed: (m,) whether a copy's own label is that of the item which it is a copy of.
    error: the tolerated share of copies within the radius whose label is another, 0 to 1.
    confidence: 0 to 1, see below.
    radii: at most so many are tested: evenly spaced quantiles of `heights`, the greatest height the last.

    `trusted` is the largest radius for which the upper bound of the share of disagreement is at most `error`, `reach`
    the largest for which the lower bound is. The bounds are Clopper and Pearson's (1934), exact for any number of
    checks, one-sided, at 1 - (1 - confidence) / number of radii. So with a probability of at least `confidence`
    `trusted` keeps its promise, whichever of the radii it is: Learn then Test (Angelopoulos et al. 2021,
    arXiv:2110.01052) with Bonferroni's correction. The same holds for `reach`: no radius beyond it is good enough.
    A radius without a disagreement is trusted from log((1 - confidence) / radii) / log(1 - error) checks within it
    on: 77 of them, with five radii and a tolerated error of 0.05.
    Raises ValueError on arguments that do not fit.

    >>> learn_radius([0.1] * 100 + [0.3] * 100, [True] * 100 + [False] * 100, error=0.05)
    Radius(trusted=0.1, reach=0.1)
    """
    heights, agreed = _checks(heights, agreed)
    error, confidence = share(error, "error"), share(confidence, "confidence")
    radii = whole_number(radii, "radii", least=1)
    if not len(heights):
        return Radius(None, None)
    tested = np.unique(np.quantile(heights, np.arange(1, radii + 1) / radii, method="inverted_cdf"))
    within = heights <= tested[:, None]
    checks, wrong = within.sum(axis=1), (within & ~agreed).sum(axis=1)
    level = 1 - (1 - confidence) / len(tested)
    good = tested[_upper(wrong, checks, level) <= error]
    possible = tested[_lower(wrong, checks, level) <= error]
    return Radius(float(good[-1]) if len(good) else None, float(possible[-1]) if len(possible) else 0.0)


def _upper(wrong: NDArray[np.int64], checks: NDArray[np.int64], level: float) -> NDArray[np.float64]:
    """A share that the true one exceeds with a probability of at most 1 - level."""
    all_wrong = wrong == checks
    return np.where(all_wrong, 1.0, special.betaincinv(wrong + 1, np.where(all_wrong, 1, checks - wrong), level))


def _lower(wrong: NDArray[np.int64], checks: NDArray[np.int64], level: float) -> NDArray[np.float64]:
    """A share that the true one falls below with a probability of at most 1 - level."""
    return 1 - _upper(checks - wrong, checks, level)


def _checks(heights: ArrayLike, agreed: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    heights, agreed = scores(heights, "heights").astype(np.float64), np.asarray(agreed)
    if agreed.shape != heights.shape or (len(agreed) and agreed.dtype != bool):
        raise ValueError(
            f"agreed must be one truth value for each of {len(heights)} heights, "
            f"not shape {agreed.shape} of {agreed.dtype}"
        )
    return heights, agreed.astype(bool)
