"""Labels that are probably wrong, by confident learning: what models say that have not learned them."""

from typing import NamedTuple

import numpy as np


class Doubts(NamedTuple):
    """Labels that look wrong, the most doubtful first: `places` (m,) among all; `quality` (m,) float64 from 0 to 1, the
    probability that a model which had not learned it gave to the label; `likely` (m,) int64, what it took it for.
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
