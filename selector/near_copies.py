"""Near-copies of the picked items: the items that the dendrogram merges with them lowest."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from selector.checks import level, whole_number
from selector.compiled import compiled
from selector.dendrogram import Dendrogram


class NearCopies(NamedTuple):
    """The m near-copies, in the order of their owners, then of their heights, then of the items."""

    owners: NDArray[np.int64]
    """(m,) the source of each copy: a place in `picked`."""
    items: NDArray[np.int64]
    """(m,) the copies, each an item of the dendrogram, none of them twice."""
    heights: NDArray[np.float64]
    """(m,) the height at which the dendrogram merges a copy with its owner, in the dendrogram's metric."""


def near_copies(
    dendrogram: Dendrogram, picked: NDArray[np.int64], free: NDArray[np.bool_], *, radius: float, most: int
) -> NearCopies:
    """Give each picked item the free items within a radius that merge with it lowest.

    An item that merges with several picked items at the same height belongs to the first of them in `picked`. Copies
    beyond `most` belong to no picked item. Takes O(n) time, and O(m log m) for the m items within the radius.

    Parameters
    ----------
    dendrogram : Dendrogram
        Of n items.
    picked : ndarray of shape (k,), int64
        Distinct items. They are never copies, whatever `free` holds for them.
    free : ndarray of shape (n,), bool
        Whether an item may be a copy.
    radius : float
        The greatest height of a copy, inclusive; may be infinite.
    most : int
        The most copies of a picked item: the lowest copies; of equally low copies, the first items.

    Returns
    -------
    NearCopies

    Raises
    ------
    ValueError
        If an argument has a wrong shape, type or range.

    Examples
    --------
    >>> from selector.linkage import average_linkage
    >>> tree = average_linkage([[1, 0], [9, 1], [0, 5], [8, 1]])
    >>> near_copies(tree, np.array([0, 2]), np.ones(4, bool), radius=0.5, most=3).items.tolist()
    [1, 3]
    """
    picked = _picked(picked, dendrogram.size)
    free = _free(free, dendrogram.size)
    radius, most = level(radius, "radius"), whole_number(most, "most", least=0)
    owners, heights = _nearest(dendrogram.size, dendrogram.merges, dendrogram.heights, picked)
    may_be = free & (owners >= 0) & (heights <= radius)
    may_be[picked] = False
    items = np.flatnonzero(may_be)
    items = items[np.lexsort((items, heights[items], owners[items]))]
    _, starts, sizes = np.unique(owners[items], return_index=True, return_counts=True)
    items = items[np.arange(len(items)) - np.repeat(starts, sizes) < most]
    return NearCopies(owners[items], items, heights[items])


@compiled
def _nearest(n: int, merges: NDArray[np.int64], heights: NDArray[np.float64], picked: NDArray[np.int64]) -> Any:
    """Return, for each item, the place in `picked` of the item that it merges with lowest, or -1, and the height: (n,)
    each.

    Upwards, each cluster learns its first picked item. Downwards, a cluster without a picked item takes the picked item
    of the cluster around it. So does a cluster that is merged further at its own height: all items there are equally
    near.
    """
    near = np.full(2 * n, -1)
    height = np.zeros(2 * n)
    for place in range(len(picked)):
        near[picked[place]] = place
    for merge in range(len(merges)):
        one, other = near[merges[merge, 0]], near[merges[merge, 1]]
        near[n + merge] = max(one, other) if min(one, other) < 0 else min(one, other)
        height[n + merge] = heights[merge]
    for merge in range(len(merges) - 1, -1, -1):
        for part in merges[merge]:
            if near[part] < 0 or (part >= n and heights[part - n] == heights[merge]):
                near[part] = near[n + merge]
                height[part] = height[n + merge]
    return near[:n], height[:n]


def _picked(picked: Any, size: int) -> NDArray[np.int64]:
    array = np.asarray(picked)
    if array.ndim != 1 or (len(array) and array.dtype.kind not in "iu"):
        raise ValueError(f"picked must be whole numbers in one row, not shape {array.shape} of {array.dtype}")
    if len(array) and not (array.min() >= 0 and array.max() < size):
        raise ValueError(f"picked must lie in 0 … {size - 1}, not {array.min()} … {array.max()}")
    if len(np.unique(array)) < len(array):
        raise ValueError("picked must name no item twice")
    return array.astype(np.int64)


def _free(free: Any, size: int) -> NDArray[np.bool_]:
    array = np.asarray(free)
    if array.shape != (size,) or array.dtype != bool:
        raise ValueError(
            f"free must be one truth value for each of {size} items, not shape {array.shape} of {array.dtype}"
        )
    return array
