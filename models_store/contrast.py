"""Measure by how much two models differ on the same items, and in which classes they differ beyond noise.

`paired` says whether one model is better.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control

from models_store.metrics import Z95
from models_store.paired import chance

LEAST_APART = 6
"""The fewest items on which two models must differ for any outcome to be more than noise."""
FALSE_SHARE = 0.05
"""The share of noise among the differences that are called more than noise, at most, on average."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The accuracy of b minus that of a on the same items, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class ClassContrast:
    """(k,) int64 counts of each class among the same items: `a` is the earlier model, `b` the later model.

    `recall_differs` and `precision_differs`, (k,) bool: whether the difference is more than noise, corrected for the
    number of classes.
    """

    truth: NDArray[np.int64]
    predicted_a: NDArray[np.int64]
    predicted_b: NDArray[np.int64]
    correct_a: NDArray[np.int64]
    correct_b: NDArray[np.int64]
    recall_differs: NDArray[np.bool_]
    precision_differs: NDArray[np.bool_]


def difference(n: int, gained: int, lost: int) -> Difference:
    """Return the difference of two accuracies on the same items, with the adjusted Wald interval.

    D. G. Bonett and R. M. Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on
    paired data", Journal of Educational and Behavioral Statistics 37 (2012): one item is added to each kind. The
    interval keeps its coverage for few items.

    Parameters
    ----------
    n : int
        Items, at least 1.
    gained, lost : int
        Items on which only the later model is right, and only the earlier model.

    Raises
    ------
    ValueError
        If the counts do not fit together.

    Examples
    --------
    >>> found = difference(100, 12, 2)
    >>> [round(each, 3) for each in (found.value, found.low, found.high)]
    [0.1, 0.024, 0.173]
    """
    if n < 1 or min(gained, lost) < 0 or gained + lost > n:
        raise ValueError(f"{gained} gained and {lost} lost of {n} items is no comparison")
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = Z95 * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    return Difference((gained - lost) / n, max(-1.0, up - down - half), min(1.0, up - down + half))


def by_class(truth: ArrayLike, said_a: ArrayLike, said_b: ArrayLike, n_classes: int) -> ClassContrast:
    """Compare recall and precision of two models for each class. Takes O(n + n_classes) time and memory.

    Recall is tested by the exact sign test among the items of the class, precision by `precision_chance`.
    `more_than_noise` corrects for all tests together.

    Parameters
    ----------
    truth, said_a, said_b : array-like of shape (n,), int
        True classes, and the predictions of both models.
    n_classes : int

    Returns
    -------
    ClassContrast
    """
    truth, said_a, said_b = (np.asarray(each, np.int64) for each in (truth, said_a, said_b))
    right_a, right_b = said_a == truth, said_b == truth

    def count(of: NDArray[np.int64], where: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(of[where], minlength=n_classes)

    anything = np.ones(len(truth), bool)
    predicted_a, predicted_b = count(said_a, anything), count(said_b, anything)
    correct_a, correct_b = count(truth, right_a), count(truth, right_b)
    both_right = count(truth, right_a & right_b)
    both_wrong = count(said_a, (said_a == said_b) & ~right_a)
    gained, lost = correct_b - both_right, correct_a - both_right
    counts = (predicted_a, correct_a, predicted_b, correct_b, both_right, both_wrong)
    recall = [chance(int(g), int(lo)) for g, lo in zip(gained, lost, strict=True)]
    precision = [precision_chance(*map(int, each)) for each in zip(*counts, strict=True)]
    # Tests that cannot reach significance are left out of the correction (Tarone 1990).
    apart = np.concatenate([gained + lost, predicted_a + predicted_b - 2 * (both_right + both_wrong)])
    differs = apart >= LEAST_APART
    differs[differs] = more_than_noise(np.array([*recall, *precision])[differs])
    return ClassContrast(
        truth=count(truth, anything),
        predicted_a=predicted_a,
        predicted_b=predicted_b,
        correct_a=correct_a,
        correct_b=correct_b,
        recall_differs=differs[:n_classes],
        precision_differs=differs[n_classes:],
    )


def precision_chance(
    predicted_a: int, correct_a: int, predicted_b: int, correct_b: int, both_right: int, both_wrong: int
) -> float:
    """Return the p-value of two precisions on the same items, by the weighted generalised score test.

    A. S. Kosinski, "A weighted generalized score statistic for comparison of predictive values of diagnostic tests",
    Statistics in Medicine 32 (2013).

    Parameters
    ----------
    predicted_a, correct_a, predicted_b, correct_b : int
        Items that each model predicts as the class, and the right ones among them.
    both_right, both_wrong : int
        Items of the class, and of other classes, that both models predict as the class.

    Returns
    -------
    float
        1 if a model never predicts the class.
    """
    if not predicted_a or not predicted_b:
        return 1.0
    total = predicted_a + predicted_b
    pooled = (correct_a + correct_b) / total
    shared = (both_right * (1 - pooled) ** 2 + both_wrong * pooled**2) / total
    variance = (pooled * (1 - pooled) - 2 * shared) * (1 / predicted_a + 1 / predicted_b)
    if variance <= 1e-12:  # they differ on nothing
        return 1.0
    return math.erfc(abs(correct_a / predicted_a - correct_b / predicted_b) / math.sqrt(2 * variance))


def more_than_noise(chances: ArrayLike, *, false_share: float = FALSE_SHARE) -> NDArray[np.bool_]:
    """Return whether each of (m,) p-values is a discovery; on average, at most `false_share` of the discoveries are
    false.

    Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", JRSS B 57 (1995), section 3.

    >>> more_than_noise([0.001, 0.04, 0.3]).tolist()
    [True, False, False]
    """
    p = np.asarray(chances, np.float64)
    return false_discovery_control(p) <= false_share if len(p) else np.zeros(0, bool)
