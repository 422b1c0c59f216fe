"""Average-linkage clustering of a whole pool, in nearly linear time.

Level by level: find for each cluster its nearest neighbours, make all merges that these prove to be right (`merging`),
and find neighbours again among the fewer and larger clusters that are left. The dendrogram is that of exact average
linkage wherever the neighbours were all found.

Merging along neighbour lists is as in SCC (Monath et al. 2021, arXiv 2010.11821), RAC (Sumengen et al. 2021, arXiv
2105.11653) and TeraHAC (Dhulipala et al. 2023, arXiv 2308.03578). Those keep the first neighbour graph to the end, in
which clusters soon know too few others; here nothing is merged but what is proven, and the graph is rebuilt.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selector import sharded, vectors
from selector.checks import real_rows, whole_number
from selector.compiled import Threads
from selector.dendrogram import Dendrogram
from selector.exact import exact_average_linkage, in_order_of_height
from selector.merging import clusters_of, merge_known
from selector.neighbours import nearest_neighbours
from selector.sharded import Workers

__all__ = ["Dendrogram", "average_linkage"]

EXACT_UP_TO = 1_000
"""Pools of at most so many items are clustered exactly, in a moment."""
NEIGHBOURS = 16
_MOST_NUMBERS = 1 << 28
"""In the lists of all clusters: 2 GiB."""

Progress = Callable[[str, float], None]


def average_linkage(
    embeddings: ArrayLike,
    *,
    metric: str = "cosine",
    seed: int = 0,
    exact_up_to: int = EXACT_UP_TO,
    progress: Progress | None = None,
    workers: Workers | None = None,
) -> Dendrogram:
    """Cluster the rows of `embeddings` by average linkage, from single items to one cluster of all.

    Takes O(n·log n·d) time on all cores that the process may use, and about (d + 50) · 4 · n bytes beyond the input.
    Numbers are rounded to float32: "sqeuclidean" cannot separate items whose distance is less than some millionth of
    the distance of the pool's farthest item. Among equally near pairs, any is merged first.

    Parameters
    ----------
    embeddings : array-like of shape (n, d)
        Real numbers of any dtype. A memory map is read in blocks.
    metric : "cosine" or "sqeuclidean"
        The distance of two items; the distance of two clusters is its mean over all pairs. "cosine" is 1 - cos(a, b),
        in [0, 2]; an all-zero row has distance 0 to all-zero rows and 1 to others. "sqeuclidean" is |a - b|².
    seed : int
        Seed of the search for neighbours. The same arguments give the same dendrogram on the same machine.
    exact_up_to : int
        Pools of at most so many items are clustered by `exact.exact_average_linkage`.
    progress : callable, optional
        Called with the name of the phase and the share done of the whole, in [0, 1] and never falling.
    workers : Workers, optional
        Other processes that search for neighbours. The dendrogram is the same.

    Returns
    -------
    Dendrogram

    Raises
    ------
    ValueError
        If the metric is unknown, the shape is wrong, or a value is not finite.

    Examples
    --------
    >>> average_linkage([[1, 0], [9, 1], [0, 5]]).cut(clusters=2).tolist()
    [0, 0, 1]
    """
    vectors.check_metric(metric)
    rows = real_rows(embeddings, "embeddings")
    report = progress or (lambda phase, share: None)
    if len(rows) <= max(whole_number(exact_up_to, "exact_up_to", least=0), 1):
        return exact_average_linkage(rows, metric=metric, progress=lambda share: report("merging clusters", share))
    report("reading the embeddings", 0.0)
    points, scale = vectors.prepare_in_blocks(rows, metric, name="embeddings")
    merges, heights = _merge_levels(points, whole_number(seed, "seed", least=0), report, workers)
    return in_order_of_height(len(rows), merges, vectors.in_unit(heights, metric) * scale, metric)


def _merge_levels(
    points: NDArray[np.float32], seed: int, report: Progress, workers: Workers | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return all merges of the points, (n - 1, 2), parts before wholes, and half their distances, (n - 1,)."""
    n = len(points)
    merges, heights = np.empty((n - 1, 2), np.int64), np.empty(n - 1)
    spread, sizes, lows = np.zeros(n), np.ones(n), np.zeros(n)
    names = np.arange(n)
    made = worked = level = 0
    known = NEIGHBOURS
    search = partial(sharded.nearest_neighbours, workers=workers) if workers else nearest_neighbours
    with Threads() as threads:
        while made < n - 1:
            m = len(names)
            show = _level_progress(report, m, worked)
            ids, gaps = search(points, spread, min(known, m - 1), seed=seed + level, threads=threads, progress=show)
            clusters = clusters_of(points, spread, sizes, lows, ids, gaps)
            pairs = np.empty((m - 1, 2), np.int32)
            count = merge_known(clusters, pairs, heights[made:])
            names = np.concatenate([names, n + made + np.arange(count)])  # by the level's own names
            merges[made : made + count] = names[pairs[:count]]
            made, worked, level = made + count, worked + m, level + 1
            if count < m // 8 and 2 * known * m <= _MOST_NUMBERS:
                known *= 2  # a few clusters each take in many, one after the other: let them know more
            left = np.flatnonzero(clusters.names >= 0)
            names = names[clusters.names[left]]
            points, spread, sizes, lows = points[left], spread[left], sizes[left], lows[left]
    report("merging clusters", 1.0)
    return merges, heights


_LATER_LEVELS = 1.9
"""The work of all later levels, in units of this level's work: each level keeps about two thirds of the clusters."""


def _level_progress(report: Progress, clusters: int, worked: int) -> Callable[[float], None]:
    """Turn the share done of one level into the share done of the whole."""

    def show(share: float) -> None:
        total = worked + (1 + _LATER_LEVELS) * clusters
        report(f"finding neighbours of {clusters:,} clusters", (worked + share * clusters) / total)

    return show
