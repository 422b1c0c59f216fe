"""Cluster-Margin: a large batch of items with small margins, spread over their clusters.

Source: Citovsky et al. 2021, "Batch Active Learning at Scale" (arXiv 2107.14263), algorithm 2.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selector.checks import cluster_ids, factor, generator, scores, whole_number
from selector.compiled import compiled

# Clusters are counted in a table with a place for each number between the smallest and the largest, if it has at
# most this many places a candidate. Ids that lie farther apart are sorted.
_TABLE_PLACES = 8


@dataclass(frozen=True, eq=False)
class Selection:
    """A batch, in the order of the draw, with the reason for each item.

    Parameters
    ----------
    indices : ndarray of shape (k_t,), int64
        Positions in the given arrays, each at most once.
    passes : ndarray of shape (k_t,), int64
        The pass over the clusters in which an item was drawn, counted from 0.
    clusters : ndarray of shape (k_t,), int64
        The item's cluster.
    cluster_sizes : ndarray of shape (k_t,), int64
        The number of candidates in that cluster.
    candidates : int
        k_m, the number of items that the batch was drawn from.
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
    """Pick the next batch from the unlabeled pool: Citovsky et al. 2021, algorithm 2.

    The candidates are grouped by cluster. Each pass visits the groups from the smallest to the largest in number of
    candidates, equal groups in random order, and draws one item uniformly at random from each; empty groups are left
    out. Passes are repeated until k_t items are drawn. Takes O(n) time and memory if the cluster ids are dense, as
    those of a cut are, and O(n + k_m log k_m) time otherwise.

    Parameters
    ----------
    margins : array-like of shape (n,)
        p(best class) - p(second class) of each item.
    clusters : array-like of shape (n,), int
        The cluster of each item in the one clustering of the pool.
    batch_size : int
        k_t, the number of items to pick; all n if the pool is smaller.
    candidate_factor : float
        k_m / k_t, at least 1. The k_m = round(candidate_factor · k_t) items of smallest margin are the candidates.
        Items whose equal margins straddle k_m are drawn at random.
    rng : Generator
        It draws the ties at k_m, the ties among groups too many to be reached, the order of equal groups, and one
        number for each item, in this order: the same seed gives the same batch.

    Returns
    -------
    Selection

    Raises
    ------
    ValueError
        If an argument has a wrong shape or type, holds NaN, or is out of range. The message names the argument.

    Examples
    --------
    >>> picked = select([.1, .2, .3, .9], [7, 7, 8, 8], batch_size=2, candidate_factor=1.5,
    ...                 rng=np.random.default_rng(0))
    >>> picked.clusters.tolist(), picked.passes.tolist(), picked.candidates
    ([8, 7], [0, 0], 3)
    """
    margins = scores(margins, "margins")
    clusters = cluster_ids(clusters, len(margins))
    n_picked = min(whole_number(batch_size, "batch_size", least=0), len(margins))
    count = round(min(factor(candidate_factor, "candidate_factor") * n_picked, len(margins)))
    generator(rng)

    everything = count == len(margins)
    candidates = np.arange(count) if everything else smallest(margins, count, rng)
    names, group, sizes = _groups(clusters if everything else clusters[candidates])
    if len(margins) < 2**31:  # halves what the draws go through
        candidates = candidates.astype(np.int32)
    # A group that comes after k_t others is never reached.
    reached = smallest(sizes, n_picked, rng) if n_picked < len(sizes) else np.arange(len(sizes))
    order = _by_size(sizes, rng.permutation(reached.astype(np.int32)))
    members = _members(candidates, group, sizes, order)
    indices, passes, places = _draw(members, sizes[order], rng.random(n_picked))
    drawn = order[places]
    return Selection(
        indices=indices,
        passes=passes,
        clusters=names[drawn].astype(np.int64),
        cluster_sizes=sizes[drawn].astype(np.int64),
        candidates=count,
    )


def smallest(values: NDArray[Any], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the positions of the `count` smallest of `values`, ascending; ties at the edge are drawn at random."""
    if count == 0:
        return np.empty(0, dtype=np.int64)
    edge = np.partition(values, count - 1)[count - 1]
    chosen = values < edge
    level = np.flatnonzero(values == edge)
    chosen[rng.choice(level, count - np.count_nonzero(chosen), replace=False, shuffle=False)] = True
    return np.flatnonzero(chosen)


def _groups(clusters: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int32], NDArray[np.int32]]:
    """Return the groups of the candidates: their names (g,) ascending, each candidate's group (k_m,), their sizes
    (g,).
    """
    if not len(clusters):
        return np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int32)
    lowest, highest = int(clusters.min()), int(clusters.max())
    places = highest - lowest + 1
    if places > _TABLE_PLACES * len(clusters) or places > 2**31 - 1:
        names, inverse, counts = np.unique(clusters, return_inverse=True, return_counts=True)
        return names, inverse.astype(np.int32), counts.astype(np.int32)
    group: NDArray[np.int32] = np.empty(len(clusters), np.int32)
    np.subtract(clusters, lowest, out=group, dtype=np.int64, casting="unsafe")
    sizes = _group_sizes(group, places)
    filled = np.flatnonzero(sizes)
    if len(filled) < places:
        number: NDArray[np.int32] = np.empty(places, np.int32)
        number[filled] = np.arange(len(filled), dtype=np.int32)
        group, sizes = number[group], sizes[filled]
    return filled + lowest, group, sizes


@compiled
def _group_sizes(group: NDArray[np.int32], groups: int) -> NDArray[np.int32]:
    """Count how often each group number from 0 to `groups` - 1 occurs."""
    sizes = np.zeros(groups, np.int32)
    for number in group:
        sizes[number] += 1
    return sizes


@compiled
def _by_size(sizes: NDArray[np.int32], shuffled: NDArray[np.int32]) -> NDArray[np.int32]:
    """Sort the groups in `shuffled` by size, ascending and stable: a counting sort."""
    largest = 0
    for group in shuffled:
        largest = max(largest, sizes[group])
    ends = np.zeros(largest + 2, np.int64)
    for group in shuffled:
        ends[sizes[group] + 1] += 1
    for size in range(largest + 1):
        ends[size + 1] += ends[size]
    order = np.empty_like(shuffled)
    for group in shuffled:
        size = sizes[group]
        order[ends[size]] = group
        ends[size] += 1
    return order


@compiled
def _members(
    candidates: NDArray[Any], group: NDArray[np.int32], sizes: NDArray[np.int32], order: NDArray[np.int32]
) -> NDArray[Any]:
    """Return the candidates in the groups of `order`, group after group."""
    ends = np.full(len(sizes), -1, np.int64)
    start = 0
    for number in order:
        ends[number] = start
        start += sizes[number]
    members = np.empty(start, candidates.dtype)
    for position in range(len(candidates)):
        number = group[position]
        if ends[number] >= 0:
            members[ends[number]] = candidates[position]
            ends[number] += 1
    return members


@compiled
def _draw(
    members: NDArray[Any], sizes: NDArray[np.int32], numbers: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Draw one member of each group, pass after pass, by a random number in [0, 1) each; return members, passes,
    groups.

    Groups are sorted by size, so that the groups with members left are a tail that gets shorter. Shuffles `members`.
    """
    n_picked = len(numbers)
    indices = np.empty(n_picked, np.int64)
    passes = np.empty(n_picked, np.int64)
    places = np.empty(n_picked, np.int64)
    drawn = 0
    number_of_pass = 0
    first = 0  # group that is not used up
    start_of_first = 0
    while drawn < n_picked:
        while sizes[first] == number_of_pass:
            start_of_first += sizes[first]
            first += 1
        start = start_of_first
        for place in range(first, min(len(sizes), first + n_picked - drawn)):
            left = sizes[place] - number_of_pass
            taken = start + int(numbers[drawn] * left)
            indices[drawn] = members[taken]
            passes[drawn] = number_of_pass
            places[drawn] = place
            members[taken] = members[start + left - 1]
            start += sizes[place]
            drawn += 1
        number_of_pass += 1
    return indices, passes, places
