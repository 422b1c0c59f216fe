"""Correct a model's probabilities by what people answered about items that it had predicted before.

Batches take items that a model is unsure of, and calibration holds some of these back: on all other items the model may
be right far more often than it says. Each answered item is a test of the version that picked it. Corrected
probabilities plan an audit; a proof does not depend on them.
"""

from __future__ import annotations

import numpy as np

SHIFT, SLOPE = 1.5, 0.25
"""Standard deviations of the correction before any answer: of the shift of the log-odds, and of their slope."""
CLIP = 1e-6
STEPS = 100
LEAST = 1e-12


def correct(
    probabilities: np.ndarray,
    earlier: np.ndarray,
    right: np.ndarray,
    *,
    label_error: float = 0.0,
    accepted: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Return corrected probabilities (n,): their log-odds are a + b × the model's log-odds (Platt 1999). b
    is at least 0, so that the order stays.

    They are the probabilities that a label is right, and not that people would give it: where people differ from a sure
    model, they themselves may be wrong.

    Parameters
    ----------
    probabilities : (n,) of the newest version's labels of items.
    earlier : (m,) the probabilities of the labels of answered items, by versions that had not learned from them.
    right : (m,) bool, whether people gave this label.
    label_error : the share of right labels that people do not give.
    accepted : the share of wrong labels that people give all the same, (m,) or one for all: 0 if they saw no
        prediction.

    Notes
    -----
    a and b are the most probable ones under normal priors around 0 and 1: expectation-maximisation, each maximisation
    by one step of Newton's method, with shorter steps where a whole one overshoots, as with models that are sure and
    often wrong.
    """
    x = _log_odds(earlier)
    features = np.column_stack([np.ones(len(x)), x])
    prior, precision = np.array([0.0, 1.0]), np.array([SHIFT, SLOPE]) ** -2.0

    def gain(at: np.ndarray) -> float:
        p = _probability(features @ at)
        given = np.where(right, kept * p + accepted * (1 - p), label_error * p + (1 - accepted) * (1 - p))
        return float(np.log(given).sum() - precision @ (at - prior) ** 2 / 2)

    kept = 1 - label_error
    at = prior.copy()
    for _ in range(STEPS):
        p = _probability(features @ at)
        given = kept * p + accepted * (1 - p)
        y = np.where(right, kept * p / given, label_error * p / (1 - given))
        gradient = features.T @ (y - p) - precision * (at - prior)
        curvature = (features * (p * (1 - p))[:, None]).T @ features + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        while gain(at + step) < gain(at) and np.abs(step).max() > CLIP:
            step /= 2
        at = at + step
        if np.abs(step).max() <= CLIP:
            break
    return _probability(at[0] + max(at[1], 0.0) * _log_odds(probabilities))


def _probability(log_odds: np.ndarray) -> np.ndarray:
    """Return probabilities that are neither 0 nor 1."""
    return np.asarray(np.clip(1 / (1 + np.exp(-log_odds)), LEAST, 1 - LEAST))


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    p = np.clip(np.asarray(probabilities, float), CLIP, 1 - CLIP)
    return np.log(p / (1 - p))
