"""How many candidates a batch should be drawn from, where nobody has said."""

import numpy as np
from numpy.typing import ArrayLike

from selector.checks import cluster_ids, factor, scores, whole_number

MOST = 10.0
"""Of candidates, for each item of the batch: what Citovsky et al. 2021 take for large batches."""


def sufficient_factor(margins: ArrayLike, clusters: ArrayLike, *, batch_size: int, most: float = MOST) -> float:
    """The smallest `candidate_factor` with which the candidates fall in as many clusters as the batch has items.

    margins, clusters, batch_size: as for `cluster_margin.select`.
    most: the largest factor, at least 1; it is the answer where so many candidates fall in fewer clusters.

    `select` then draws every item from another cluster, in one pass, and from the smallest margins that allow that: of
    near-duplicates one, and otherwise what plain margin takes. A fixed factor is too large for a pool in which hardly
    two items are alike, where it dilutes the doubt, and too small for one that repeats itself a lot. (Our own rule; the
    paper fixes the factor.) Equal margins count in the order given. Takes O(n + k log k) time, k being the candidates.
    Raises ValueError as `select` does.

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
    """How many of `clusters` (k,), from the first on, hold `batch_size` different ones; None if all hold fewer."""
    firsts = np.sort(np.unique(clusters, return_index=True)[1])
    return int(firsts[batch_size - 1]) + 1 if len(firsts) >= batch_size else None


def _smallest_first(margins: np.ndarray, count: int) -> np.ndarray:
    """The positions of the `count` smallest margins, ascending; equal ones in the order given."""
    edge = np.partition(margins, count - 1)[count - 1]
    places = np.flatnonzero(margins <= edge)
    return places[np.argsort(margins[places], kind="stable")][:count]
