"""Find labels that are probably wrong, by the probabilities of models that have not learned them."""

from typing import NamedTuple

import numpy as np

from models_store.metrics import points_off

UNLIKELY = 1 / 3
"""A score is doubted if its probability to be near the truth is lower."""


class Doubts(NamedTuple):
    """m labels that look wrong, the most doubtful first.

    Parameters
    ----------
    places : ndarray of shape (m,), int64
        Their places among all labels.
    quality : ndarray of shape (m,), float64 from 0 to 1
        The probability that the model gave to the label.
    likely : ndarray of shape (m,), int64
        The class that the model predicts; of sets, the class that it doubts.
    """

    places: np.ndarray
    quality: np.ndarray
    likely: np.ndarray


NOTHING = Doubts(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))


def label_errors(labels: np.ndarray, probabilities: np.ndarray, *, least: int) -> Doubts:
    """Find wrong labels of one class an item, by confident learning: Northcutt et al. 2021, "Confident Learning:
    Estimating Uncertainty in Dataset Labels", section 3, as cleanlab computes it.

    The model must be surer of another class than it is of that class on average.

    Parameters
    ----------
    labels : ndarray of shape (n,), int
        Classes from 0 to k - 1.
    probabilities : ndarray of shape (n, k)
        Of models that have not learned the label.
    least : int
        Classes with fewer labels are left out, with their labels.

    Returns
    -------
    Doubts
    """
    labels, p = np.asarray(labels, np.int64), np.asarray(probabilities, np.float64)
    known = np.flatnonzero(np.bincount(labels, minlength=p.shape[1]) >= least) if len(labels) else NOTHING.places
    if len(known) < 2:
        return NOTHING
    # Takes a second to import, and only the step that looks for label errors needs it.
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_self_confidence_for_each_label

    rows = np.flatnonzero(np.isin(labels, known))
    compact = np.searchsorted(known, labels[rows])
    held_out = p[np.ix_(rows, known)]
    held_out = np.maximum(held_out, np.finfo(np.float32).tiny)
    held_out /= held_out.sum(axis=1, keepdims=True)
    wrong = np.asarray(
        find_label_issues(compact, held_out, return_indices_ranked_by="self_confidence", n_jobs=1), dtype=np.int64
    )
    quality = np.asarray(get_self_confidence_for_each_label(compact, held_out))
    return Doubts(rows[wrong], quality[wrong], known[held_out[wrong].argmax(axis=1)])


def set_errors(labels: np.ndarray, probabilities: np.ndarray, *, least: int) -> Doubts:
    """Find wrong labels of any number of classes an item: Thyagarajan et al. 2023, "Identifying Incorrect Annotations
    in Multi-Label Classification Data" (arXiv 2211.13895), with the minimum in place of their mean of the worst
    classes.

    Each class is a yes-or-no question of its own. The quality of a label is that of its worst class.

    Parameters
    ----------
    labels : ndarray of shape (n, k), bool
    probabilities : ndarray of shape (n, k)
        Of models that have not learned the label.
    least : int
        Classes that fewer labels have, or lack, are left out.

    Returns
    -------
    Doubts
    """
    quality, doubted = np.full(len(labels), np.inf), np.zeros(len(labels), np.int64)
    for index in range(labels.shape[1] if len(labels) else 0):
        yes = probabilities[:, index]
        doubts = label_errors(labels[:, index], np.stack([1 - yes, yes], axis=1), least=least)
        worse = doubts.quality < quality[doubts.places]
        quality[doubts.places[worse]], doubted[doubts.places[worse]] = doubts.quality[worse], index
    places = np.flatnonzero(np.isfinite(quality))
    places = places[np.argsort(quality[places], kind="stable")]
    return Doubts(places, quality[places], doubted[places])


def score_errors(labels: np.ndarray, probabilities: np.ndarray) -> Doubts:
    """Find wrong scores.

    Parameters
    ----------
    labels : ndarray of shape (n,), int
        Points of the scale, from 0 to k - 1.
    probabilities : ndarray of shape (n, k)
        Of models that have not learned the label.

    Returns
    -------
    Doubts
        `quality` is the probability that the label is off by at most `points_off`, `likely` the median.
    """
    labels, p = np.asarray(labels, np.int64), np.asarray(probabilities, np.float64)
    within = np.abs(np.arange(p.shape[1]) - labels[:, None]) <= points_off(p.shape[1])
    quality = (p * within).sum(axis=1)
    places = np.flatnonzero(quality < UNLIKELY)
    places = places[np.argsort(quality[places], kind="stable")]
    median = (p[places].cumsum(axis=1) < 0.5).sum(axis=1)
    return Doubts(places, quality[places], np.minimum(median, p.shape[1] - 1))
