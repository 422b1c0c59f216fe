"""Correct a model's probabilities by people's labels of items from which the model had not learned.

Items of the control slice are drawn by chance: they tell how often the model is right, but there are few. The items of
batches are many, and picked because a version was unsure of them: about all others it may be right far more often than
it says, or, in a pool of near-copies, more seldom. So picked items give a first correction, and drawn ones correct it.
Corrected probabilities plan an audit; a proof does not depend on them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

BEND = 1.5
"""The log-odds at which the slope of a correction may change: a probability of 0.82."""
UNCHANGED = np.array([0.0, 1.0, 1.0])
"""A correction that changes nothing: the shift of the log-odds, and their slopes below `BEND` and above it."""


def _covariance(shift: float, slope: float, bend: float) -> np.ndarray:
    """Return the covariance (3, 3) of a correction, from the standard deviations of the shift, of the slope, and of the
    difference between the slopes above and below `BEND`.
    """
    return np.array([[shift**2, 0, 0], [0, slope**2, slope**2], [0, slope**2, slope**2 + bend**2]])


PRIOR = _covariance(1.5, 0.25, 0.5)
"""The covariance of a correction before any answer, around `UNCHANGED`."""
DIFFERENCE = _covariance(0.5, 0.15, 0.3)
"""The covariance of the difference between the corrections that drawn and picked items call for.

Both were chosen by the forecasts of versions on four pools: docs/decisions/14-expected-errors.md
and docs/decisions/14-expected-errors.md.
"""
CLIP = 1e-6
LEAST = 1e-12
PER_BIN = 20
LEAST_BINS, MOST_BINS = 4, 30
HIGHEST_ERROR = 0.5
"""The largest error of a label that counts. Leave out labels that are more likely wrong than right."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Labels of a model beside people's labels of the same items, from which the model had not learned.

    sure : (m,) the probabilities of the model's labels.
    right : (m,) bool, whether people's labels are the same.
    label_error : the probability that people give another label though the model's is right, (m,) or one for all:
        smaller for labels that were asked again.
    accepted : the share of wrong labels of a model that people give all the same, (m,) or one for all: 0 if they saw no
        prediction.
    weight : how many items each stands for, (m,) or one for all.
    """

    sure: np.ndarray
    right: np.ndarray
    label_error: np.ndarray | float = 0.0
    accepted: np.ndarray | float = 0.0
    weight: np.ndarray | float = 1.0


NOTHING = Checked(np.empty(0), np.empty(0, bool))


def correct_probabilities(probabilities: np.ndarray, drawn: Checked, picked: Checked = NOTHING) -> np.ndarray:
    """Return corrected probabilities (n,): their log-odds are a function of the model's log-odds that is linear (Platt
    1999) below `BEND` and above it. It never falls, so that the order stays.

    They are the probabilities that a label is right, and not that people would give it: where people differ from a sure
    model, they themselves may be wrong.

    probabilities : (n,) of the newest version's labels of items.
    drawn : labels of items drawn by chance, by the newest version.
    picked : labels of items of batches, by the versions that picked them.

    The shift and the slopes are the most probable ones under normal priors. That of `picked` lies around `UNCHANGED`;
    that of `drawn` is what `picked` tell of them, less sure by `DIFFERENCE`. With many drawn items, the picked ones
    tell nothing more.

    Models that learn smoothed or calibrated targets are hardly ever surer than 0.97, also of items about which they are
    right in 99.7 % of cases. A single line through their log-odds follows the many doubtful items.
    """
    mean, covariance = _fit(picked, UNCHANGED, PRIOR)
    correction, _ = _fit(drawn, mean, covariance + DIFFERENCE)
    return _probability(_terms(probabilities) @ correction)


def _terms(probabilities: np.ndarray) -> np.ndarray:
    """Return what the shift and the slopes multiply, (n, 3)."""
    x = _log_odds(probabilities)
    return np.column_stack([np.ones(len(x)), np.minimum(x, BEND), np.maximum(x - BEND, 0)])


def _fit(checked: Checked, mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the most probable shift and slopes (3,) under the normal prior of this mean and covariance, slopes not
    below 0; and their covariance (3, 3) by Laplace's approximation, with the observed information.
    """
    terms, precision = _terms(checked.sure), np.linalg.inv(covariance)
    label_error, accepted = np.minimum(checked.label_error, HIGHEST_ERROR), checked.accepted
    kept, weight = 1 - label_error, checked.weight
    gain = np.where(checked.right, kept - accepted, label_error + accepted - 1)

    def given(p: np.ndarray) -> np.ndarray:
        """Return the probability of what was seen, if the model's labels are right with the probabilities `p`."""
        return np.where(checked.right, kept * p + accepted * (1 - p), label_error * p + (1 - accepted) * (1 - p))

    def improbability(at: np.ndarray) -> tuple[float, np.ndarray]:
        p, off = _probability(terms @ at), at - mean
        slope = weight * gain * p * (1 - p) / given(p)
        return off @ precision @ off / 2 - (weight * np.log(given(p))).sum(), precision @ off - terms.T @ slope

    bounds = [(None, None), (0, None), (0, None)]
    found = minimize(improbability, np.maximum(mean, [-np.inf, 0, 0]), jac=True, method="L-BFGS-B", bounds=bounds)
    assert np.isfinite(found.fun), "probabilities and errors of labels are numbers"
    at = found.x
    p = _probability(terms @ at)
    slope = gain * p * (1 - p) / given(p)
    # Less the second derivative of the logarithm.
    information = weight * np.maximum(slope**2 - slope * (1 - 2 * p), 0)
    return at, np.linalg.inv((terms * information[:, None]).T @ terms + precision)


@dataclass(frozen=True, slots=True)
class PickedBatch:
    """What a version said of the items that could be picked for a batch.

    drawn : (m,) its probabilities for the first m items drawn by chance, in their order: those that it has predicted.
    picked : (k,) its probabilities for items that the batch picked: all, or a sample.
    share : the share of the open items that the batch picked.
    """

    drawn: np.ndarray
    picked: np.ndarray
    share: float


def still_open(size: int, batches: Iterable[PickedBatch], reserved: float) -> np.ndarray:
    """Return weights (size,) with which items drawn by chance, which no batch picks, stand for the open items: in
    proportion to the probability that an item like it is still open. Their sum is the number of items that say as much.

    Batches pick the items that some version doubted. What is left is right more often than other items of the same
    probability by the newest version.

    reserved : the share of the pool that no batch can pick.

    A batch picks each item with the share of the open items of a similar probability that it picked. Its version's
    probabilities are compared in up to `MOST_BINS` bins of equally many drawn items, `PER_BIN` or more.
    """
    chance = np.ones(size)
    for batch in batches:
        drawn = batch.drawn[:size]
        weight = chance[: len(drawn)]
        if not len(batch.picked) or not weight.sum():
            continue
        bins = int(np.clip(len(drawn) / PER_BIN, LEAST_BINS, MOST_BINS))
        edges = np.quantile(drawn, np.linspace(0, 1, bins + 1)[1:-1])
        at = np.digitize(drawn, edges)
        there = np.bincount(at, weight, bins) / weight.sum()
        taken = batch.share * np.bincount(np.digitize(batch.picked, edges), minlength=bins) / len(batch.picked)
        left = np.clip(1 - taken / np.maximum(there, LEAST), 0, 1)
        weight *= left[at]
    weights = reserved + (1 - reserved) * chance
    total = weights.sum()
    return weights * total / (weights**2).sum() if total else weights


def without_prior(doubt: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Return the probability (m,) that people give another label though the model's is right, of labels that differ
    from the model's.

    doubt : (m,) the probabilities that these labels are wrong, computed with the model's label as a prior.
    prior : (m,) its probability there (`labeling.labels.resolving.posterior`), above 0 and below 1.
    """
    doubt = np.minimum(doubt, HIGHEST_ERROR)
    return np.minimum(doubt / (1 - doubt) * (1 - prior) / prior, HIGHEST_ERROR)


def _probability(log_odds: np.ndarray) -> np.ndarray:
    """Return probabilities that are neither 0 nor 1."""
    return np.asarray(np.clip(expit(log_odds), LEAST, 1 - LEAST))


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    p = np.clip(np.asarray(probabilities, float), CLIP, 1 - CLIP)
    return np.log(p / (1 - p))
