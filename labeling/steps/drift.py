"""Measure how well a clustering still describes a pool whose embeddings have changed since it was built. Arrays only.

A clustering describes embeddings to the degree that items of one cluster are nearer to each other than random items:

    described = 1 - (mean distance of two items of one cluster) / (mean distance of any two items)

1 means that all items of a cluster coincide, 0 that the clusters are no better than random ones. Distances are cosine
distances, as in the clustering. Both means are estimated from random pairs; two versions' embeddings are compared on
the same pairs.
"""

from dataclasses import dataclass

import numpy as np

# Pairs of each kind: they estimate the share described to about 0.01.
PAIRS = 4_000


@dataclass(frozen=True, slots=True)
class ItemPairs:
    """Pairs of items. `rows` (m,): the rows of all pairs, ascending. `within`, `any` (p, 2): places in `rows`."""

    rows: np.ndarray
    within: np.ndarray
    any: np.ndarray


def draw_pairs(clusters: np.ndarray, rng: np.random.Generator, *, pairs: int = PAIRS) -> ItemPairs | None:
    """Draw pairs of items of one cluster, and as many pairs of any two items.

    The first item of a pair is drawn uniformly at random (within clusters: from the clusters of two or more items), and
    so is the second from the other items. Takes O(n log n) time.

    Parameters
    ----------
    clusters : ndarray of shape (n,), int
        The cluster of each item.
    rng : Generator
    pairs : int
        The number of pairs of each kind.

    Returns
    -------
    ItemPairs or None
        None if every cluster has one item.
    """
    order = np.argsort(clusters, kind="stable")
    _, starts, sizes = np.unique(clusters[order], return_index=True, return_counts=True)
    place, start, size = np.arange(len(order)), np.repeat(starts, sizes), np.repeat(sizes, sizes)
    shared = place[size > 1]
    if not len(shared):
        return None
    one = rng.choice(shared, pairs)
    other = start[one] + (one - start[one] + rng.integers(1, size[one])) % size[one]
    first = rng.integers(0, len(order), pairs)
    second = (first + rng.integers(1, len(order), pairs)) % len(order)
    rows, inverse = np.unique(order[np.concatenate([one, other, first, second])], return_inverse=True)
    ends = inverse.reshape(4, pairs)
    return ItemPairs(rows, ends[:2].T, ends[2:].T)


def described(embeddings: np.ndarray, pairs: ItemPairs) -> float | None:
    """Estimate the share of the embeddings that the clusters of the pairs describe.

    Parameters
    ----------
    embeddings : ndarray of shape (m, d), float
        Of the pairs' `rows`. A row of zeros has distance 0 to another row of zeros, 1 to other rows.
    pairs : ItemPairs

    Returns
    -------
    float or None
        None if all items coincide.
    """
    points = np.asarray(embeddings, np.float64)
    lengths = np.linalg.norm(points, axis=1)
    points = points / np.where(lengths > 0, lengths, 1)[:, None]
    anywhere = _mean_distance(points, lengths, pairs.any)
    return 1 - _mean_distance(points, lengths, pairs.within) / anywhere if anywhere > 0 else None


def _mean_distance(points: np.ndarray, lengths: np.ndarray, ends: np.ndarray) -> float:
    one, other = ends.T
    distances = 1 - np.einsum("ij,ij->i", points[one], points[other])
    distances[(lengths[one] == 0) & (lengths[other] == 0)] = 0
    return float(np.clip(distances, 0, 2).mean())
