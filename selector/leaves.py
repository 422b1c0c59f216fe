"""A dendrogram's items in one line, so that each of its clusters, at any cut, is a stretch of the line."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from selector.compiled import compiled
from selector.dendrogram import Dendrogram


def in_line(dendrogram: Dendrogram) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The items as a drawn dendrogram has them, (n,), and for each two neighbours the merge that joins them, (n - 1,).

    A cut that makes the first m merges parts the line exactly where the joining merge is m or later. Any sample of the
    items keeps that property: two of its neighbours are joined by the latest merge between them. Takes O(n) time.

    >>> from selector.linkage import average_linkage
    >>> items, joined_by = in_line(average_linkage([[1, 0], [9, 1], [0, 5]]))
    >>> items.tolist(), joined_by.tolist()
    ([2, 0, 1], [1, 0])
    """
    items, joined_by = _string(dendrogram.size, dendrogram.merges)
    return items, joined_by


@compiled
def _string(n: int, merges: NDArray[np.int64]) -> Any:
    """Each merge hooks the first item of its second cluster behind the last item of its first."""
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
