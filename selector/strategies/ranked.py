"""Strategies that put the items in an order and take its front: by margin, by entropy, at random."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from selector.checks import cluster_ids, scores
from selector.cluster_margin import Selection, smallest
from selector.strategies.pool import PoolArrays


def pick(strategy: str, pool: PoolArrays, batch_size: int, rng: np.random.Generator) -> Selection:
    """Take `batch_size` items by "margin", "entropy" or "uniform". O(n + k log k) time, O(n) memory."""
    if strategy == "uniform":
        return in_one_pass(rng.choice(pool.size, batch_size, replace=False), pool, candidates=None)
    if strategy == "margin":
        order = _front(scores(pool.margins, "margins"), batch_size, rng)
    else:
        entropies = scores(pool.entropies, "entropies")
        order = _front(-entropies.astype(np.float64, copy=False), batch_size, rng)
    return in_one_pass(order, pool, candidates=order)


def _front(values: NDArray[Any], batch_size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The positions of the `batch_size` smallest values, smallest first; equal ones in random order."""
    chosen = rng.permutation(smallest(values, batch_size, rng))
    return chosen[np.argsort(values[chosen], kind="stable")]


def in_one_pass(indices: NDArray[np.int64], pool: PoolArrays, *, candidates: NDArray[np.int64] | None) -> Selection:
    """The selection of these items, in this order, from `candidates`; None stands for the whole pool.

    A pool without clusters is one cluster, 0.
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
