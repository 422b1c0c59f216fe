"""Order a dendrogram's items so that each cluster, at any cut, is a stretch of neighbours."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from selector.compiled import compiled
from selector.dendrogram import Dendrogram


def in_line(dendrogram: Dendrogram) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order the items as a drawing of the dendrogram does. Takes O(n) time.

    A cut that makes the first m merges separates two neighbours exactly if merge m or a later merge joins them. A
    sample of the items keeps that property: the latest merge between two of its neighbours joins them.

    Returns
    -------
    items : ndarray of shape (n,), int64
    joined_by : ndarray of shape (n - 1,), int64
        For each pair of neighbours, the merge that joins them.

    Examples
    --------
    >>> from selector.linkage import average_linkage
    >>> items, joined_by = in_line(average_linkage([[1, 0], [9, 1], [0, 5]]))
    >>> items.tolist(), joined_by.tolist()
    ([2, 0, 1], [1, 0])
    """
    items, joined_by = _string(dendrogram.size, dendrogram.merges)
    return items, joined_by


@compiled
def _string(n: int, merges: NDArray[np.int64]) -> Any:
    """Link the items into one sequence: each merge puts the items of its second cluster behind those of its first."""
    first, last = np.arange(2 * n), np.arange(2 * n)
    behind, hooked_by = np.full(n, -1), np.zeros(n, np.int64)
    for merge in range(len(merges)):
        one, other = merges[merge]
        first[n + merge], last[n + merge] = first[one], last[other]
        behind[last[one]], hooked_by[last[one]] = first[other], merge
    items, joined_by = np.empty(n, np.int64), np.empty(max(n - 1, 0), np.int64)
    item = first[n + len(merges) - 1] if n else -1
    for place in range(n):
        items[place] = item
        if place < n - 1:
            joined_by[place] = hooked_by[item]
        item = behind[item]
    return items, joined_by
