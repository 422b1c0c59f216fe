"""Replace the model's confidence on tasks that were not picked for the model's doubt. Arrays only: no database."""

from __future__ import annotations

import numpy as np


def stand_ins(own: np.ndarray, picked: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the confidence with which a model's prediction counts when a rule decides whether one more person answers
    a task.

    The strategy picks tasks that the model doubts. Control tasks and gold tasks are not picked: the model's confidence
    and accuracy on them are higher, so fewer of them would need a second person, and annotators who compare notes could
    recognise them. Stand-ins have the distribution of confidence and accuracy of the picked tasks.

    The tasks get confidences of picked tasks in the same order, highest to highest. A prediction with confidence p and
    stand-in q keeps its answer with probability q / p, so that it is right with probability q if the model is
    calibrated.

    Parameters
    ----------
    own : ndarray of shape (m,), float
        The model's confidence on these tasks, each greater than 0.
    picked : ndarray of shape (n,), float
        The model's confidence on picked tasks.
    rng : Generator

    Returns
    -------
    ndarray of shape (m,), float64
        The stand-ins. Negative: the prediction counts for another answer than the model's. NaN: there are no picked
        tasks, and the model's own confidence counts.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> np.abs(stand_ins(np.array([0.99, 0.9]), np.array([0.5, 0.5, 0.25, 0.25]), rng)).tolist()
    [0.5, 0.25]
    """
    if not len(picked) or not len(own):
        return np.full(len(own), np.nan)
    places = np.empty(len(own), np.int64)
    places[np.lexsort((rng.random(len(own)), own))] = np.arange(len(own))
    at = (places + rng.random(len(own))) / len(own)
    sure = np.sort(picked)[(at * len(picked)).astype(np.int64)]
    keeps = rng.random(len(own)) * own < sure
    result: np.ndarray = np.where(keeps, sure, -sure)
    return result
