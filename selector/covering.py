"""Cover a pool by few items: each pick is near many items that no earlier pick is near.

Bae et al. 2024, "Generalized Coverage for More Robust Low-Budget Active Learning" (arXiv 2407.12212), MaxHerding.
"""

import heapq

import numpy as np
from numpy.typing import NDArray

CANDIDATES, COVERED = 10_000, 2_500
"""The most items that are picked from, and the most that are to be covered: samples of a larger pool."""
NEAREST = 20
"""An item covers as far as the median distance to the neighbour of this number, among COVERED items."""
ROUNDING = 1e-6


def covering(points: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return up to `count` places of points, in the order of the picks: each adds the most coverage.

    A point's coverage is its highest similarity exp(-|a - b|² / (2 s²)) to a picked point. No pick adds more than an
    earlier pick did, so that old gains bound new ones: few are computed again for each pick (Minoux 1978).

    Parameters
    ----------
    points : ndarray of shape (n, d), float32
        All columns on comparable scales.
    count : int
        At least 0. Fewer are returned if CANDIDATES, or n, are fewer.

    Notes
    -----
    Takes O(min(n, CANDIDATES) × min(n, COVERED)) memory, and about as much time for each hundred picks.
    """
    n = len(points)
    candidates = rng.choice(n, min(n, CANDIDATES), replace=False)
    covered = points[rng.choice(n, min(n, COVERED), replace=False)]
    near = _similarity(points[candidates], covered)
    coverage = np.zeros(len(covered), np.float32)
    gains = [(-float(gain), place) for place, gain in enumerate(near.sum(axis=1))]
    heapq.heapify(gains)
    picks: list[int] = []
    while gains and len(picks) < count:
        place = gains[0][1]
        gain = float(np.maximum(near[place] - coverage, 0).sum())
        heapq.heapreplace(gains, (-gain, place))
        if gains[0][1] == place:
            heapq.heappop(gains)
            picks.append(place)
            np.maximum(coverage, near[place], out=coverage)
    return np.asarray(candidates[picks], np.int64)


def _similarity(candidates: NDArray[np.float32], covered: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the similarity of each candidate to each item to cover, (c, m)."""
    squares = (candidates**2).sum(axis=1)[:, None] + (covered**2).sum(axis=1) - 2 * candidates @ covered.T
    np.maximum(squares, 0, out=squares)
    place = min(NEAREST, len(covered) - 1)
    scale = float(np.median(np.partition(squares, place, axis=1)[:, place]))
    least = ROUNDING * float(squares.mean())  # if most items have copies, their distances are rounding errors
    squares /= -2 * (max(scale, least) or 1)
    near: NDArray[np.float32] = np.exp(squares, out=squares)
    return near
