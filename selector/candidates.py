"""The number of candidates that a batch is drawn from, for projects that do not set it."""

import numpy as np
from numpy.typing import ArrayLike

from selector.checks import cluster_ids, factor, scores, whole_number

MOST = 10.0
"""Candidates for each item of the batch: the value of Citovsky et al. 2021 for large batches."""


def sufficient_factor(margins: ArrayLike, clusters: ArrayLike, *, batch_size: int, most: float = MOST) -> float:
    """Return the smallest `candidate_factor` whose candidates fall in as many clusters as the batch has items.

    `select` then draws each item from another cluster, in one pass, and from the smallest margins that allow that. A
    fixed factor, as in the paper, is too large for a pool of items that all differ, and too small for a pool with many
    near-duplicates. Equal margins count in the order given. Takes O(n + k log k) time for k candidates.

    Parameters
    ----------
    margins, clusters, batch_size
        As for `cluster_margin.select`.
    most : float
        The largest factor, at least 1. It is the result if its candidates fall in fewer clusters.

    Returns
    -------
    float
        From 1 to `most`.

    Raises
    ------
    ValueError
        As `select`.

    Examples
    --------
    >>> sufficient_factor([.1, .2, .3, .4], [7, 7, 8, 9], batch_size=2)
    1.5
    """
    margins = scores(margins, "margins")
    clusters = cluster_ids(clusters, len(margins))
    batch_size = min(whole_number(batch_size, "batch_size", least=0), len(margins))
    limit = round(min(factor(most, "most") * batch_size, len(margins)))
    if batch_size == 0:
        return 1.0
    count, enough = batch_size, None
    while enough is None:  # mostly twice as many are enough: sorting ten times as many would take far longer
        enough = fewest(clusters[_smallest_first(margins, count)], batch_size) or (limit if count == limit else None)
        count = min(2 * count, limit)
    return enough / batch_size


def fewest(clusters: np.ndarray, batch_size: int) -> int | None:
    """Return the length of the shortest beginning of `clusters`, (k,), with `batch_size` different ones; None if all
    have fewer.
    """
    firsts = np.sort(np.unique(clusters, return_index=True)[1])
    return int(firsts[batch_size - 1]) + 1 if len(firsts) >= batch_size else None


def _smallest_first(margins: np.ndarray, count: int) -> np.ndarray:
    """Return the positions of the `count` smallest margins, ascending; equal ones in the order given."""
    edge = np.partition(margins, count - 1)[count - 1]
    places = np.flatnonzero(margins <= edge)
    return places[np.argsort(margins[places], kind="stable")][:count]
