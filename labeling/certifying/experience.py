"""Correct a model's probabilities by people's labels of items from which the model had not learned.

Items of the control slice are drawn by chance: they tell how often the model is right, but there are few. The items of
batches are many, and picked because a version was unsure of them: about all others it may be right far more often than
it says, or, in a pool of near-copies, more seldom. So picked items give a first correction, and drawn ones correct it.
Corrected probabilities plan an audit; a proof does not depend on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHIFT, SLOPE = 1.5, 0.25
"""Standard deviations of a correction before any answer: of the shift of the log-odds, and of their slope."""
CLIP = 1e-6
STEPS = 100
HIGHEST_ERROR = 0.5
"""A label that is more likely wrong than right tells nothing of the model."""
LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Checked:
    """Labels of a model beside people's labels of the same items, from which the model had not learned.

    sure : (m,) the probabilities of the model's labels.
    right : (m,) bool, whether people's labels are the same.
    label_error : the probability that people's label is wrong, (m,) or one for all. Labels that were asked again, since
        they differ from the model's, are wrong less often than others.
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
    a and b are the most probable ones under normal priors: with `drawn` around those with `picked`, which lie around 0
    and 1. With many drawn items, the picked ones tell nothing more.
    """
    shift, slope = _fit(drawn, _fit(picked, np.array([0.0, 1.0])))
    return _probability(shift + max(slope, 0.0) * _log_odds(probabilities))


def _fit(checked: Checked, prior: np.ndarray) -> np.ndarray:
    """Return a and b, around `prior`: expectation-maximisation, each maximisation by one step of Newton's method, with
    shorter steps where a whole one overshoots, as with models that are sure and often wrong.
    """
    x = _log_odds(checked.sure)
    features, precision = np.column_stack([np.ones(len(x)), x]), np.array([SHIFT, SLOPE]) ** -2.0
    label_error, accepted = np.minimum(checked.label_error, HIGHEST_ERROR), checked.accepted
    kept = 1 - label_error

    def gain(at: np.ndarray) -> float:
        p = _probability(features @ at)
        given = np.where(checked.right, kept * p + accepted * (1 - p), label_error * p + (1 - accepted) * (1 - p))
        return float(np.log(given).sum() - precision @ (at - prior) ** 2 / 2)

    at = prior.copy()
    for _ in range(STEPS):
        p = _probability(features @ at)
        given = kept * p + accepted * (1 - p)
        y = np.where(checked.right, kept * p / given, label_error * p / (1 - given))
        gradient = features.T @ (y - p) - precision * (at - prior)
        curvature = (features * (p * (1 - p))[:, None]).T @ features + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        while gain(at + step) < gain(at) and np.abs(step).max() > CLIP:
            step /= 2
        at = at + step
        if np.abs(step).max() <= CLIP:
            break
    return at


def _probability(log_odds: np.ndarray) -> np.ndarray:
    """Return probabilities that are neither 0 nor 1."""
    return np.asarray(np.clip(1 / (1 + np.exp(-log_odds)), LEAST, 1 - LEAST))


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    p = np.clip(np.asarray(probabilities, float), CLIP, 1 - CLIP)
    return np.log(p / (1 - p))
