"""Which word of a model counts on tasks that were not picked for the model's doubt. Arrays only: no database."""

from __future__ import annotations

import numpy as np


def stand_ins(own: np.ndarray, picked: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How sure a model's word is taken to be on tasks of one kind, when a rule decides whether one more person answers.

    A batch is picked for doubt. Its control tasks and gold tasks are not: the model is surer of them and more often
    right, so fewer of them would be asked of a second person, and two annotators who compare notes could tell them. A
    stand-in is as sure, and as often right, as the words on picked tasks.

    own: (m,) how sure the model is of each of these tasks, each greater than 0; picked: (n,) the same of picked tasks.
    Returns (m,) float: how sure the word counts. Negative: it counts for another answer than the model's. NaN: no
    picked task has a word, so the model's own word counts.

    The tasks get the certainties of picked tasks in their own order, surest to surest. A word that is to count with
    certainty q in place of p keeps its answer with probability q / p, so that it is right with probability q if the
    model is calibrated.

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
