"""Strategies that sort the items and take the first ones: by margin, by entropy, at random, by clusters."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from selector.checks import cluster_ids, scores
from selector.cluster_margin import Selection, select, smallest
from selector.strategies.pool import PoolArrays


def cluster_margin(
    pool: PoolArrays, batch_size: int, rng: np.random.Generator, *, candidate_factor: float, **_: object
) -> Selection:
    """Pick as `selector.cluster_margin.select` does."""
    assert pool.margins is not None
    assert pool.clusters is not None
    return select(pool.margins, pool.clusters, batch_size=batch_size, candidate_factor=candidate_factor, rng=rng)


def uniform(pool: PoolArrays, batch_size: int, rng: np.random.Generator, **_: object) -> Selection:
    """Draw items uniformly at random. The candidates are the whole pool."""
    return in_one_pass(rng.choice(pool.size, batch_size, replace=False), pool)


def margin(pool: PoolArrays, batch_size: int, rng: np.random.Generator, **_: object) -> Selection:
    """Pick the smallest margins, in ascending order, equal ones in random order. The candidates are the batch itself.

    Takes O(n + k log k) time and O(n) memory for k items of n, like `entropy`.
    """
    return _front(scores(pool.margins, "margins"), pool, batch_size, rng)


def entropy(pool: PoolArrays, batch_size: int, rng: np.random.Generator, **_: object) -> Selection:
    """Pick the largest entropies, in descending order, equal ones in random order. The candidates are the batch
    itself.
    """
    return _front(-scores(pool.entropies, "entropies").astype(np.float64, copy=False), pool, batch_size, rng)


def _front(values: NDArray[Any], pool: PoolArrays, batch_size: int, rng: np.random.Generator) -> Selection:
    """Return the positions of the `batch_size` smallest values, ascending; equal ones in random order."""
    chosen = rng.permutation(smallest(values, batch_size, rng))
    order = chosen[np.argsort(values[chosen], kind="stable")]
    return in_one_pass(order, pool, candidates=order)


def in_one_pass(
    indices: NDArray[np.int64], pool: PoolArrays, *, candidates: NDArray[np.int64] | None = None
) -> Selection:
    """Make the selection of these items, in this order, from `candidates`, by default the whole pool.

    A pool without clusters counts as one cluster, 0.
    """
    count = pool.size if candidates is None else len(candidates)
    if pool.clusters is None:
        clusters, sizes = np.zeros(len(indices), np.int64), np.full(len(indices), count)
    else:
        every = cluster_ids(pool.clusters, pool.size)
        names, counts = np.unique(every if candidates is None else every[candidates], return_counts=True)
        clusters = every[indices]
        sizes = counts[np.searchsorted(names, clusters)]
    return Selection(
        indices=indices,
        passes=np.zeros(len(indices), np.int64),
        clusters=clusters.astype(np.int64, copy=False),
        cluster_sizes=sizes,
        candidates=count,
    )
