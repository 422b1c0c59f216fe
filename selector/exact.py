"""Average linkage without approximation, in O(n·d) memory: for small pools, and as a reference for the fast method.

Sources: the nearest-neighbour chain (Murtagh 1983; Müllner 2011, arXiv 1109.2378) and, for its use here,
Citovsky et al. 2021 (arXiv 2107.14263), algorithm 1: the pool is clustered once, and cut again later.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selector import vectors
from selector.checks import real_rows
from selector.dendrogram import Dendrogram

Progress = Callable[[float], None]


def exact_average_linkage(
    embeddings: ArrayLike, *, metric: str = "cosine", progress: Progress | None = None
) -> Dendrogram:
    """Cluster as `linkage.average_linkage`, in float64 and comparing all pairs.

    Takes O(n²·d) time and O(n·d) memory: at most two float64 copies of the embeddings. Among equally near pairs, the
    same input always merges the same pair first.

    Parameters
    ----------
    embeddings, metric
        As for `linkage.average_linkage`.
    progress : callable, optional
        Called with the share done, in [0, 1].

    Returns
    -------
    Dendrogram

    Raises
    ------
    ValueError
        If the metric is unknown, the shape is wrong, or a value is not finite.

    Examples
    --------
    >>> exact_average_linkage([[1, 0], [9, 1], [0, 5]]).cut(clusters=2).tolist()
    [0, 0, 1]
    """
    vectors.check_metric(metric)
    rows = real_rows(embeddings, "embeddings")
    points, halves = vectors.prepare(rows, metric, name="embeddings")
    merges, heights = _merge_all(_Clusters(points, halves, metric), progress)
    return in_order_of_height(len(rows), merges, heights, metric)


class _Clusters:
    """The clusters that are not merged yet. They fill the first `count` slots of each array, without gaps."""

    def __init__(self, means: NDArray[np.float64], halves: NDArray[np.float64], metric: str) -> None:
        self.metric = metric
        self.count = len(means)
        self.means = means  # changed in place
        self.halves = halves  # likewise
        self.sizes = np.ones(self.count)
        self.ids = np.arange(self.count)
        self.heights = np.zeros(self.count)

    def distances_from(self, slot: int) -> NDArray[np.float64]:
        """Return half distances from one cluster to all clusters, (count,)."""
        products = self.means[: self.count] @ self.means[slot]
        distances: NDArray[np.float64] = self.halves[: self.count] + self.halves[slot] - products
        return distances

    def merge(self, one: int, other: int, half_distance: float, new_id: int) -> tuple[tuple[int, int], float]:
        """Merge two slots into the lower one, and move the last cluster into the slot that this frees.

        Returns the two merged ids and the height.
        """
        keep, free = min(one, other), max(one, other)
        height = vectors.distance(half_distance, self.halves[keep] + self.halves[free], self.metric)
        # Average linkage never merges lower than it did before; a rounding error must not say otherwise.
        height = max(height, self.heights[keep], self.heights[free])
        merged = int(self.ids[keep]), int(self.ids[free])

        size = self.sizes[keep] + self.sizes[free]
        share = self.sizes[free] / size
        self.means[keep] += share * (self.means[free] - self.means[keep])
        self.halves[keep] += share * (self.halves[free] - self.halves[keep])
        self.sizes[keep], self.ids[keep], self.heights[keep] = size, new_id, height

        self.count -= 1
        for array in (self.means, self.halves, self.sizes, self.ids, self.heights):
            array[free] = array[self.count]
        return merged, height


def _merge_all(clusters: _Clusters, progress: Progress | None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Merge along nearest-neighbour chains until one cluster is left.

    A chain steps from a cluster to its nearest cluster, each step shorter than the last, until two clusters are nearest
    to each other. Merging these two brings no clusters nearer to each other (average linkage is reducible), so the rest
    of the chain stays valid, and the merges are those of always taking the nearest pair. They come in another order,
    which `in_order_of_height` sorts.
    """
    n = clusters.count
    merges = np.empty((max(n - 1, 0), 2), dtype=np.int64)
    heights = np.empty(len(merges))
    chain: list[int] = []  # slots
    steps: list[float] = []  # steps[i] is the half distance from chain[i] to chain[i + 1]
    while clusters.count > 1:
        if not chain:
            chain.append(0)
        distances = clusters.distances_from(chain[-1])
        # Earlier members are farther than the last one, though equal rows may look otherwise by rounding.
        distances[chain] = np.inf
        nearest = int(distances.argmin())
        if len(chain) == 1 or distances[nearest] < steps[-1]:
            chain.append(nearest)
            steps.append(float(distances[nearest]))
            continue
        merge = n - clusters.count
        one, other = chain[-2:]
        merges[merge], heights[merge] = clusters.merge(one, other, steps[-1], new_id=n + merge)
        del chain[-2:], steps[-2:]
        moved, free = clusters.count, max(one, other)
        chain = [free if slot == moved else slot for slot in chain]
        _report(progress, n, clusters.count)
    if progress is not None:
        progress(1.0)
    return merges, heights


def _report(progress: Progress | None, n: int, left: int) -> None:
    """Report about a hundred times. The remaining work is proportional to the square of the clusters left."""
    if progress is not None and left % max(n // 100, 1) == 0:
        progress(1.0 - (left / n) ** 2)


def in_order_of_height(n: int, merges: NDArray[np.int64], heights: NDArray[np.float64], metric: str) -> Dendrogram:
    """Sort the merges by height and renumber the clusters they make. A stable sort keeps parts before wholes."""
    order = np.argsort(heights, kind="stable")
    new_ids: NDArray[np.int64] = np.arange(n + len(order))
    new_ids[n + order] = n + np.arange(len(order))
    return Dendrogram(size=n, merges=np.sort(new_ids[merges[order]], axis=1), heights=heights[order], metric=metric)
