"""Cluster-Margin: a large batch of items that the model doubts, spread over the clusters they fall in.

Source: Citovsky et al. 2021, "Batch Active Learning at Scale" (arXiv 2107.14263), algorithm 2.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selector.checks import factor, generator, whole_number


@dataclass(frozen=True, eq=False)
class Selection:
    """A batch and, for each item of it, why it is there. Items are in the order of the draw.

    indices: (k_t,) int64, positions in the arrays given, each at most once.
    passes: (k_t,) int64, the pass over the clusters in which an item was drawn, counted from 0.
    clusters: (k_t,) int64, the item's cluster.
    cluster_sizes: (k_t,) int64, how many of the candidates are in that cluster.
    candidates: k_m, how many items the batch was drawn from.
    """

    indices: NDArray[np.int64]
    passes: NDArray[np.int64]
    clusters: NDArray[np.int64]
    cluster_sizes: NDArray[np.int64]
    candidates: int


def select(
    margins: ArrayLike,
    clusters: ArrayLike,
    *,
    batch_size: int,
    candidate_factor: float,
    rng: np.random.Generator,
) -> Selection:
    """Pick the next batch from the unlabeled pool.

    margins: (n,) real numbers, p(best class) - p(second class).
    clusters: (n,) whole numbers, the cluster of each item in the one clustering of the pool.
    batch_size: k_t, how many to pick; all n where the pool is smaller.
    candidate_factor: k_m / k_t, at least 1. The k_m = round(candidate_factor · k_t) items of smallest margin are
        the candidates, all n where the pool is smaller. Items whose equal margins straddle k_m are drawn at random.
    rng: all randomness. It is asked for the ties at k_m, the order of equal groups, and the order of the
        candidates, in this order, so that the same seed gives the same batch.

    The candidates are grouped by cluster, and the groups visited from the smallest to the largest (in number of
    candidates; equal ones in random order), one item drawn uniformly at random at each visit, pass after pass
    without the groups that are used up, until k_t are drawn. Takes O(n + k_m log k_m) time and O(n) memory.
    Raises ValueError, naming the argument, on wrong shapes or types, NaN, or a number out of range.

    >>> picked = select([.1, .2, .3, .9], [7, 7, 8, 8], batch_size=2, candidate_factor=1.5,
    ...                 rng=np.random.default_rng(0))
    >>> picked.clusters.tolist(), picked.passes.tolist(), picked.candidates
    ([8, 7], [0, 0], 3)
    """
    margins = check_margins(margins)
    clusters = check_clusters(clusters, len(margins))
    wanted = min(whole_number(batch_size, "batch_size", least=0), len(margins))
    count = round(min(factor(candidate_factor, "candidate_factor") * wanted, len(margins)))
    generator(rng)

    candidates = smallest(margins, count, rng)
    names, group, sizes = np.unique(clusters[candidates], return_inverse=True, return_counts=True)
    place = np.empty_like(sizes)  # of each group in the order of the visits
    place[np.lexsort((rng.permutation(len(sizes)), sizes))] = np.arange(len(sizes))
    passes = _random_ranks(group, sizes, rng)
    drawn = np.lexsort((place[group], passes))[:wanted]
    return Selection(
        indices=candidates[drawn],
        passes=passes[drawn],
        clusters=names[group[drawn]],
        cluster_sizes=sizes[group[drawn]],
        candidates=count,
    )


def smallest(margins: NDArray[Any], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The positions of the `count` smallest of `margins`, in no special order; ties at the edge at random."""
    if count == 0:
        return np.empty(0, dtype=np.int64)
    edge = np.partition(margins, count - 1)[count - 1]
    below = np.flatnonzero(margins < edge)
    level = np.flatnonzero(margins == edge)
    return np.concatenate([below, rng.choice(level, count - len(below), replace=False)])


def check_margins(margins: ArrayLike, *, may_be_nan: bool = False) -> NDArray[Any]:
    """Return `margins` as an (n,) array of real numbers, or raise ValueError."""
    array = np.asarray(margins)
    if array.ndim != 1 or array.dtype.kind not in "fiu":
        raise ValueError(f"margins must be one real number an item, not shape {array.shape} of {array.dtype}")
    if not may_be_nan and np.isnan(array).any():
        raise ValueError(f"margins must not be NaN (item {int(np.isnan(array).argmax())})")
    return array


def check_clusters(clusters: ArrayLike, items: int) -> NDArray[np.int64]:
    """Return `clusters` as an (items,) int64 array, or raise ValueError."""
    array = np.asarray(clusters)
    if array.shape != (items,) or (items and array.dtype.kind not in "iu"):
        raise ValueError(
            f"clusters must be one whole number for each of {items} items, not shape {array.shape} of {array.dtype}"
        )
    return array.astype(np.int64, copy=False)


def _random_ranks(group: NDArray[np.int64], sizes: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """For each item its place, from 0, in a random order of its group. This is the pass that draws it."""
    shuffled = rng.permutation(len(group))
    by_group = shuffled[np.argsort(group[shuffled], kind="stable")]
    starts = np.cumsum(sizes) - sizes
    ranks = np.empty_like(group)
    ranks[by_group] = np.arange(len(group)) - np.repeat(starts, sizes)
    return ranks
