"""Labels that are probably wrong, by confident learning: what models say that have not learned them."""

from typing import NamedTuple

import numpy as np

from models_store.scales import points_off

UNLIKELY = 1 / 3
"""A score is doubted if it is near the truth with less than this probability."""


class Doubts(NamedTuple):
    """Labels that look wrong, the most doubtful first: `places` (m,) among all; `quality` (m,) float64 from 0 to 1, the
    probability that a model which had not learned it gave to the label; `likely` (m,) int64, what it took it for, or of
    sets the class that it doubts.
    """

    places: np.ndarray
    quality: np.ndarray
    likely: np.ndarray


NOTHING = Doubts(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))


def label_errors(labels: np.ndarray, probabilities: np.ndarray, *, least: int) -> Doubts:
    """Which of (n,) labels, ints from 0 to k - 1, (n, k) held-out probabilities speak against.

    Classes with fewer than `least` labels are left out, as are their labels: nothing can be said of them. How sure a
    model is of a class on average is what it must exceed to speak for it: Northcutt et al. 2021, "Confident Learning:
    Estimating Uncertainty in Dataset Labels", section 3, as cleanlab computes it.
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
    """Which of (n, k) booleans, any number of classes an item, (n, k) held-out probabilities speak against.

    Each class is a question of its own, yes or no. A label is as good as the worst of its answers: of several doubts
    the strongest counts (Thyagarajan et al. 2023, "Identifying Incorrect Annotations in Multi-Label Classification
    Data", arXiv 2211.13895, with the minimum in place of their mean of the worst). Classes that fewer than `least`
    labels have, or lack, are left out.
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
    """Which of (n,) points of a scale, from 0 to k - 1, (n, k) held-out probabilities speak against.

    `quality` is how probable it is that the label is at most `points_off` off, `likely` the median.
    """
    labels, p = np.asarray(labels, np.int64), np.asarray(probabilities, np.float64)
    within = np.abs(np.arange(p.shape[1]) - labels[:, None]) <= points_off(p.shape[1])
    quality = (p * within).sum(axis=1)
    places = np.flatnonzero(quality < UNLIKELY)
    places = places[np.argsort(quality[places], kind="stable")]
    median = (p[places].cumsum(axis=1) < 0.5).sum(axis=1)
    return Doubts(places, quality[places], np.minimum(median, p.shape[1] - 1))
