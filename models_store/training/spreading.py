"""Spread labels over a graph of labeled and unlabeled items: near items are likely to be of one class.

Zhou et al. 2004, "Learning with Local and Global Consistency" (label spreading). Calder et al. 2020, "Poisson Learning"
(arXiv 2006.11184), was less accurate on eight of nine tables: it needs a graph in one piece, and tables of numbers give
graphs of many pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array

from models_store.networks.mlp import standardisation

NEIGHBOURS = 10
DIRECTIONS = 64
"""Distances are those of the principal directions: quicker, and less noisy where features have more columns."""
FAR = 10.0
SHARPNESS = 4.0
"""A neighbour's weight is exp(-SHARPNESS x), where x is its squared distance by that of the farthest neighbour."""
BLOCK = 2**24
"""The most distances at once."""
STEPS, TOLERANCE = 200, 1e-3
"""Of the conjugate gradients: the end does not change with more of them."""
SMALLEST = 1e-6


@dataclass(frozen=True, eq=False)
class Graph:
    """`affinity`, (n, n): the symmetric weights of neighbours, divided by the roots of both items' sums."""

    affinity: csr_array

    @classmethod
    def of(cls, features: np.ndarray) -> Graph:
        """Return the graph of the nearest neighbours of n >= 2 items, by all pairs: O(n²) time, O(n) memory.

        features : (n, dim), uint8 or floating; columns are standardised as `Mlp.standardise` does.
        """
        n = len(features)
        ids, squares = _nearest(directions(features), min(NEIGHBOURS, n - 1))
        farthest = np.maximum(squares[:, -1:], np.finfo(np.float32).tiny)
        near = np.exp(-SHARPNESS * squares / farthest)
        starts = np.arange(0, ids.size + 1, ids.shape[1])
        one_way = csr_array((near.ravel(), ids.ravel(), starts), shape=(n, n))
        weights = one_way.maximum(one_way.T).tocsr()
        root = 1 / np.sqrt(weights.sum(axis=1))
        weights.data *= root[weights.indices] * np.repeat(root, np.diff(weights.indptr))
        return cls(weights.astype(np.float32))

    def spread(self, rows: np.ndarray, labels: np.ndarray, keep: float) -> np.ndarray:
        """Return scores (n, n_classes) >= 0 of all items. An item that no path leads to has zeros.

        Parameters
        ----------
        rows : ndarray of shape (m,)
            The labeled items.
        labels : ndarray of shape (m, n_classes), float32
            The weight of each class.
        keep : float
            The share of an item's score that its neighbours decide, below 1. The nearer to 1, the farther labels reach.

        Notes
        -----
        The scores x solve x = keep × affinity x + labels, by conjugate gradients, all classes at once.
        """
        scores = np.zeros((self.affinity.shape[0], labels.shape[1]), np.float32)
        left = np.zeros_like(scores)
        left[rows] = labels
        direction, size = left.copy(), (left * left).sum(axis=0)
        enough = TOLERANCE**2 * size
        for _ in range(STEPS):
            if (size <= enough).all():
                break
            change = direction - keep * (self.affinity @ direction)
            step = size / np.maximum((direction * change).sum(axis=0), np.finfo(np.float32).tiny)
            scores += step * direction
            left -= step * change
            before, size = size, (left * left).sum(axis=0)
            direction = left + size / np.maximum(before, np.finfo(np.float32).tiny) * direction
        return scores.clip(min=0)


def log_shares(scores: np.ndarray) -> np.ndarray:
    """Return the logarithms of each item's shares of its scores, (n, n_classes), far from minus infinity."""
    total = scores.sum(axis=1, keepdims=True)
    shares = np.divide(scores, total, out=np.zeros_like(scores), where=total > 0)
    logs: np.ndarray = np.log(shares + SMALLEST)
    return logs


def directions(features: np.ndarray) -> torch.Tensor:
    """Return the standardised features, (n, d) float32, centred. If both items and columns exceed DIRECTIONS, they are
    projected to that many principal directions.

    Draws on torch's global generator if there are more. Errors as for `standardisation`.
    """
    mean, gain = standardisation(features)
    x = torch.from_numpy(features.astype(np.float32))
    x = ((x - torch.from_numpy(mean.astype(np.float32))) * torch.from_numpy(gain.astype(np.float32))).clamp(-FAR, FAR)
    if min(x.shape) <= DIRECTIONS:  # as many directions hold all distances
        return x
    return x @ torch.pca_lowrank(x, DIRECTIONS, niter=2)[2]


def _nearest(x: torch.Tensor, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest other items of each item, nearest first, and their squared distances: (n, count) each."""
    n = len(x)
    norms = (x * x).sum(dim=1)
    ids, squares = np.empty((n, count), np.int32), np.empty((n, count), np.float32)
    for start in range(0, n, step := max(1, BLOCK // n)):
        part = slice(start, min(start + step, n))
        apart = torch.addmm(norms[None, :], x[part], x.T, alpha=-2) + norms[part, None]
        own = torch.arange(part.stop - start)
        apart[own, own + start] = torch.inf
        nearest = apart.topk(count, largest=False)
        ids[part], squares[part] = nearest.indices.numpy(), nearest.values.clamp_min(0).numpy()
    return ids, squares
