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
STEPS = 30


def correct(probabilities: np.ndarray, earlier: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return corrected probabilities (n,): their log-odds are a + b × the model's log-odds (Platt 1999). b
    is at least 0, so that the order stays.

    Parameters
    ----------
    probabilities : (n,) of the newest version's labels of items.
    earlier : (m,) the probabilities of the labels of answered items, by versions that had not learned from them.
    right : (m,) bool, whether people gave this label.

    Notes
    -----
    a and b are the most probable ones under normal priors around 0 and 1: Newton's method on a concave function, with
    shorter steps where a whole one overshoots, as with models that are sure and often wrong.
    """
    x, y = _log_odds(earlier), right.astype(float)
    features = np.column_stack([np.ones(len(x)), x])
    prior, precision = np.array([0.0, 1.0]), np.array([SHIFT, SLOPE]) ** -2.0

    def gain(at: np.ndarray) -> float:
        z = features @ at
        return float(y @ z - np.logaddexp(0, z).sum() - precision @ (at - prior) ** 2 / 2)

    at = prior.copy()
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-features @ at))
        gradient = features.T @ (y - p) - precision * (at - prior)
        curvature = (features * (p * (1 - p))[:, None]).T @ features + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        while gain(at + step) < gain(at) and np.abs(step).max() > CLIP:
            step /= 2
        at = at + step
    return 1 / (1 + np.exp(-(at[0] + max(at[1], 0.0) * _log_odds(probabilities))))


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    p = np.clip(np.asarray(probabilities, float), CLIP, 1 - CLIP)
    return np.log(p / (1 - p))
