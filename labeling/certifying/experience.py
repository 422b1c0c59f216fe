"""Correct a model's probabilities by people's labels of items from which the model had not learned.

Items of the control slice are drawn by chance: they tell how often the model is right, but there are few. The items of
batches are many, and picked because a version was unsure of them: about all others it may be right far more often than
it says, or, in a pool of near-copies, more seldom. So picked items give a first correction, and drawn ones correct it.
Corrected probabilities plan an audit; a proof does not depend on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

PRIOR = np.diag([1.5, 0.25]) ** 2
"""The covariance of a correction before any answer: of the shift of the log-odds, and of their slope."""
DIFFERENCE = np.diag([0.5, 0.15]) ** 2
"""The covariance of the difference between the corrections that drawn and picked items call for, chosen by the
forecasts of versions on four pools: docs/decisions/0131-chance-corrects-what-batches-tell.md.
"""
CLIP = 1e-6
STEPS = 100
LEAST = 1e-12
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
    """

    sure: np.ndarray
    right: np.ndarray
    label_error: np.ndarray | float = 0.0
    accepted: np.ndarray | float = 0.0


NOTHING = Checked(np.empty(0), np.empty(0, bool))


def correct(probabilities: np.ndarray, drawn: Checked, picked: Checked = NOTHING) -> np.ndarray:
    """Return corrected probabilities (n,): their log-odds are a + b × the model's log-odds (Platt 1999). b
    is at least 0, so that the order stays.

    They are the probabilities that a label is right, and not that people would give it: where people differ from a sure
    model, they themselves may be wrong.

    Parameters
    ----------
    probabilities : (n,) of the newest version's labels of items.
    drawn : labels of items drawn by chance, by the newest version.
    picked : labels of items of batches, by the versions that picked them.

    Notes
    -----
    a and b are the most probable ones under normal priors. That of `picked` lies around 0 and 1; that of `drawn` is
    what `picked` tell of a and b, less sure by `DIFFERENCE`. With many drawn items, the picked ones tell nothing more.
    """
    mean, covariance = _fit(picked, np.array([0.0, 1.0]), PRIOR)
    (shift, slope), _ = _fit(drawn, mean, covariance + DIFFERENCE)
    return _probability(shift + max(slope, 0.0) * _log_odds(probabilities))


def _fit(checked: Checked, mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the most probable a and b (2,) under the normal prior of this mean and covariance, and their covariance
    (2, 2) by Laplace's approximation, with the observed information.

    Expectation-maximisation, each maximisation by one step of Newton's method, with shorter steps where a whole one
    overshoots, as with models that are sure and often wrong.
    """
    x = _log_odds(checked.sure)
    features, precision = np.column_stack([np.ones(len(x)), x]), np.linalg.inv(covariance)
    label_error, accepted = np.minimum(checked.label_error, HIGHEST_ERROR), checked.accepted
    kept = 1 - label_error

    def given(p: np.ndarray) -> np.ndarray:
        return np.where(checked.right, kept * p + accepted * (1 - p), label_error * p + (1 - accepted) * (1 - p))

    def gain(at: np.ndarray) -> float:
        off = at - mean
        return float(np.log(given(_probability(features @ at))).sum() - off @ precision @ off / 2)

    at = mean.copy()
    for _ in range(STEPS):
        p = _probability(features @ at)
        right = np.where(checked.right, kept, label_error) * p / given(p)
        gradient = features.T @ (right - p) - precision @ (at - mean)
        curvature = (features * (p * (1 - p))[:, None]).T @ features + precision
        step = np.linalg.solve(curvature, gradient)
        while gain(at + step) < gain(at) and np.abs(step).max() > CLIP:
            step /= 2
        at = at + step
        if np.abs(step).max() <= CLIP:
            break
    slope = np.where(checked.right, kept - accepted, label_error + accepted - 1) * p * (1 - p) / given(p)
    information = np.maximum(slope**2 - slope * (1 - 2 * p), 0)  # less the second derivative of the logarithm
    return at, np.linalg.inv((features * information[:, None]).T @ features + precision)


def without_prior(doubt: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Return the probability (m,) that people give another label though the model's is right, of labels that differ
    from the model's.

    doubt : (m,) the probabilities that these labels are wrong, computed with the model's label as a prior.
    prior : (m,) its probability there (`labeling.resolving.posterior`), above 0 and below 1.
    """
    doubt = np.minimum(doubt, HIGHEST_ERROR)
    return np.minimum(doubt / (1 - doubt) * (1 - prior) / prior, HIGHEST_ERROR)


def _probability(log_odds: np.ndarray) -> np.ndarray:
    """Return probabilities that are neither 0 nor 1."""
    return np.asarray(np.clip(expit(log_odds), LEAST, 1 - LEAST))


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    p = np.clip(np.asarray(probabilities, float), CLIP, 1 - CLIP)
    return np.log(p / (1 - p))
