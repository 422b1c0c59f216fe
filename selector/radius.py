"""Up to which height near-copies share the label of their source, learned from near-copies that people labeled."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from selector.checks import scores, share, whole_number


class Radius(NamedTuple):
    """Two heights in a dendrogram."""

    trusted: float | None
    """The greatest height at which copies are proven good enough; None if there is none."""
    reach: float | None
    """The greatest height at which copies are not proven too bad; 0 if they are too bad at each. None if nothing limits
    it: even the farthest checked copies are not proven too bad, or none was checked."""


def learn_radius(
    heights: ArrayLike, agreed: ArrayLike, *, error: float, confidence: float = 0.9, radii: int = 3
) -> Radius:
    """Learn the radii within which near-copies share, and may share, the labels of their sources.

    The method is Learn then Test (Angelopoulos et al. 2021, arXiv:2110.01052, section 2) with Bonferroni's correction
    and the exact one-sided bounds of Clopper and Pearson (1934), at 1 - (1 - confidence) / number of radii. A radius
    without a disagreement is trusted from log((1 - confidence) / radii) / log(1 - error) checks on: 33 checks for three
    radii and an error of 0.1.

    Parameters
    ----------
    heights : array-like of shape (m,)
        Heights of the checked copies, which were drawn at random from the copies within some radius.
    agreed : array-like of shape (m,), bool
        Whether a copy's own label equals the label of its source.
    error : float from 0 to 1
        The tolerated share of copies within the radius whose label differs.
    confidence : float from 0 to 1
        The least probability that `trusted` is good enough, and the least probability that no radius beyond `reach` is.
    radii : int
        The most radii to test: evenly spaced quantiles of `heights`, up to the greatest height.

    Returns
    -------
    Radius
        `trusted` is the largest radius whose upper bound of disagreement is at most `error`, `reach` the largest radius
        whose lower bound is.

    Raises
    ------
    ValueError
        If an argument has a wrong shape, type or range.

    Examples
    --------
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
    trusted = float(good[-1]) if len(good) else None
    if len(possible) and possible[-1] == tested[-1]:
        return Radius(trusted, None)
    return Radius(trusted, float(possible[-1]) if len(possible) else 0.0)


def _upper(wrong: NDArray[np.int64], checks: NDArray[np.int64], level: float) -> NDArray[np.float64]:
    """Return the upper bound of each share: the true share exceeds it with a probability of at most 1 - level."""
    all_wrong = wrong == checks
    return np.where(all_wrong, 1.0, special.betaincinv(wrong + 1, np.where(all_wrong, 1, checks - wrong), level))


def _lower(wrong: NDArray[np.int64], checks: NDArray[np.int64], level: float) -> NDArray[np.float64]:
    """Return the lower bound of each share: the true share is below it with a probability of at most 1 - level."""
    return 1 - _upper(checks - wrong, checks, level)


def _checks(heights: ArrayLike, agreed: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    heights, agreed = scores(heights, "heights").astype(np.float64), np.asarray(agreed)
    if agreed.shape != heights.shape or (len(agreed) and agreed.dtype != bool):
        raise ValueError(
            f"agreed must be one truth value for each of {len(heights)} heights, "
            f"not shape {agreed.shape} of {agreed.dtype}"
        )
    return heights, agreed.astype(bool)
