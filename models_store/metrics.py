"""Accuracy and errors of a model on control items. Numpy and scipy only.

Control items are drawn uniformly and are neither trained on nor picked by margin: the estimates are unbiased for the
pool.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

Z95 = 1.959963984540054
"""97.5 % quantile of the normal distribution."""
MOST_CLASSES = 2000
"""The most classes of a full confusion matrix, which takes 32 MB then. `confused_pairs` takes any number of classes."""
FEW_POINTS = 3
"""On a scale of at most so many points, the next point is a different answer."""


@dataclass(frozen=True)
class Share:
    """A share estimated from `n` items, with its 95 % interval."""

    value: float | None
    """None if there is no item."""
    low: float
    high: float
    n: int


@dataclass(frozen=True, eq=False)
class PerClass:
    """Counts per class, each (n_classes,) int64."""

    truth: np.ndarray
    """Items of the class."""
    predicted: np.ndarray
    """Items predicted as the class."""
    correct: np.ndarray
    """Items of the class that were predicted as the class."""

    @property
    def precision(self) -> np.ndarray:
        """correct / predicted, float64; NaN for a class that was never predicted."""
        return _ratio(self.correct, self.predicted)

    @property
    def recall(self) -> np.ndarray:
        """correct / truth, float64; NaN for a class without an item."""
        return _ratio(self.correct, self.truth)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of a binomial share: E. B. Wilson, "Probable inference, the law of succession, and
    statistical inference", JASA 22 (1927).

    It keeps its coverage for few items and for shares near 0 or 1, where the normal interval does not (Brown, Cai and
    DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16, 2001, section 3).

    Parameters
    ----------
    successes, n : int

    Returns
    -------
    low, high : float
        (0, 1) if n is 0.

    Raises
    ------
    ValueError
        Unless 0 <= successes <= n.

    Examples
    --------
    >>> [round(bound, 3) for bound in wilson(9, 10)]
    [0.596, 0.982]
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no share")
    if n == 0:
        return 0.0, 1.0
    interval = binomtest(successes, n).proportion_ci(0.95, "wilson")
    return float(interval.low), float(interval.high)


def accuracy(truth: np.ndarray, predicted: np.ndarray) -> Share:
    """Return the share of right predictions, with its Wilson interval.

    Parameters
    ----------
    truth, predicted : ndarray of shape (n,), or (n, n_classes) bool for "multi"
        Of "multi", all classes of an item must be right.

    Returns
    -------
    Share

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape or truth.ndim not in (1, 2):
        raise ValueError(f"shapes {truth.shape} and {predicted.shape} do not belong together")
    right = truth == predicted
    if right.ndim == 2:
        right = right.all(axis=1)
    successes, n = int(right.sum()), len(right)
    low, high = wilson(successes, n)
    return Share(successes / n if n else None, low, high, n)


RESAMPLES = 2000


@dataclass(frozen=True)
class Mean:
    """A mean estimated from `n` items, with its 95 % interval; the ends are None for fewer than two items."""

    value: float
    low: float | None
    high: float | None
    n: int


def mean(values: np.ndarray, *, seed: int = 0) -> Mean:
    """Return the mean, with a bootstrap interval: the hull of the studentised and the percentile interval.

    B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), sections 12.5 and 13.3. The studentised
    interval is longer on the side of few large values, as the normal interval is not. Where nearly all values are
    equal, it ends at the mean itself, and the percentile interval goes on: of 60 values of which each is 1 with
    probability 0.02 and else 0, the first covers the mean in 30 % of all samples and the hull in 70 %, which is each
    sample that has a 1. The same values give the same interval. Takes O(n RESAMPLES) time.

    Parameters
    ----------
    values : ndarray of shape (n,)
        n >= 1 finite numbers.
    seed : int

    Returns
    -------
    Mean

    Raises
    ------
    ValueError
        If there is no value, or a value is not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    if values.ndim != 1 or not n or not np.isfinite(values).all():
        raise ValueError("a mean is of one number or more, all of them finite")
    centre, spread = float(values.mean()), float(values.std(ddof=1)) / np.sqrt(n) if n > 1 else 0.0
    if not spread:
        return Mean(centre, centre if n > 1 else None, centre if n > 1 else None, n)
    rng = np.random.default_rng(seed)
    pulls, means = [], []
    for _ in range(RESAMPLES):
        drawn = values[rng.integers(0, n, n)]
        means.append(drawn.mean())
        deviation = drawn.std(ddof=1)
        if deviation > 0:  # a draw of nothing but one value says nothing
            pulls.append((means[-1] - centre) / (deviation / np.sqrt(n)))
    low, high = np.quantile(pulls, [0.025, 0.975])
    ends = [centre, centre - high * spread, centre - low * spread, *np.quantile(means, [0.025, 0.975])]
    return Mean(centre, float(min(ends)), float(max(ends)), n)


def per_class(truth: np.ndarray, predicted: np.ndarray, n_classes: int) -> PerClass:
    """Return counts of each class, from (n,) class indices, or from (n, n_classes) bool for "multi"."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.ndim == 2:
        if truth.shape != predicted.shape or truth.shape[1] != n_classes:
            raise ValueError(f"shapes {truth.shape} and {predicted.shape} do not belong together")
        both = truth.astype(bool) & predicted.astype(bool)
        return PerClass(*(part.astype(bool).sum(axis=0, dtype=np.int64) for part in (truth, predicted, both)))
    truth, predicted = _indices(truth, predicted, n_classes)
    parts = (truth, predicted, truth[truth == predicted])
    return PerClass(*(np.bincount(part, minlength=n_classes) for part in parts))


def confusion(truth: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """Count (n,) class indices by true class (rows) and predicted class (columns): (n_classes, n_classes) int64.

    Raises ValueError for more than MOST_CLASSES classes.
    """
    if n_classes > MOST_CLASSES:
        raise ValueError(f"a matrix of {n_classes} x {n_classes} is too large; use confused_pairs")
    truth, predicted = _indices(truth, predicted, n_classes)
    counts = np.bincount(truth * n_classes + predicted, minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes)


def confused_pairs(truth: np.ndarray, predicted: np.ndarray, *, limit: int = 20) -> list[tuple[int, int, int]]:
    """Return (true class, predicted class, items) of the most frequent mistakes, the most frequent first."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    wrong = truth != predicted
    pairs, counts = np.unique(np.stack([truth[wrong], predicted[wrong]], axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:limit]
    return [(int(pairs[i, 0]), int(pairs[i, 1]), int(counts[i])) for i in order]


def _indices(truth: np.ndarray, predicted: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return both arrays as (n,) int64 in 0 … n_classes − 1."""
    truth, predicted = np.asarray(truth, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if truth.shape != predicted.shape or truth.ndim != 1:
        raise ValueError(f"shapes {truth.shape} and {predicted.shape} do not belong together")
    for classes in (truth, predicted):
        if len(classes) and not (classes.min() >= 0 and classes.max() < n_classes):
            raise ValueError(f"classes lie in 0 … {n_classes - 1}, got {classes.min()} … {classes.max()}")
    return truth, predicted


def _ratio(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    ratio: np.ndarray = np.divide(part, total, out=np.full(len(total), np.nan), where=total > 0)
    return ratio


def points_off(n_points: int) -> int:
    """Return the points by which a score may be off and still count as right. On a long scale, people differ by a
    point.
    """
    return 1 if n_points > FEW_POINTS else 0
