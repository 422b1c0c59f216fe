"""CoreSet: the batch from which no item of the pool is far.

Source: Sener and Savarese 2018, "Active Learning for Convolutional Neural Networks: A Core-Set Approach"
(arXiv 1708.00489), the greedy k-centre of algorithm 1.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from selector.compiled import fast
from selector.strategies.pool import PoolArrays, vectors

# Rows of items and of centres whose distances are computed together: 64 MiB.
_ROWS = 4096
# A squared distance smaller than this, relative to the squared lengths that it is the difference of, is rounding.
_ROUNDING = 4e-6


def pick(
    pool: PoolArrays, batch_size: int, rng: np.random.Generator, progress: Callable[[float], None] | None = None
) -> NDArray[np.int64]:
    """Take `batch_size` times the item farthest from all centres, and make it a centre. Returns them in order.

    The centres to start with are `pool.centre_embeddings`; without any, the first item is drawn uniformly at random.
    Distances are Euclidean, of embeddings in float32. Of equally far items the first is taken; once none is apart from
    the centres any more, the others are drawn uniformly at random.
    Takes O(n·d·(k + m)) time for k items and m centres to start with, and O(n) memory beyond embeddings in float32.
    Raises ValueError on embeddings that hold no numbers, or centres with another number of columns.
    """
    assert pool.embeddings is not None
    rows = vectors(pool.embeddings, "embeddings")
    nearest = np.full(len(rows), np.inf, np.float32)  # squared distance to the nearest centre; -1 when it is one itself
    if pool.centre_embeddings is not None:
        _start(rows, vectors(pool.centre_embeddings, "centre_embeddings", like=rows), nearest)
    chosen = np.empty(batch_size, np.int64)
    farthest = int(nearest.argmax()) if len(rows) else 0
    if batch_size and np.isinf(nearest[farthest]):
        farthest = int(rng.integers(len(rows)))
    for count in range(batch_size):
        if nearest[farthest] <= 0:
            left = np.flatnonzero(nearest >= 0)
            chosen[count:] = rng.choice(left, batch_size - count, replace=False)
            break
        chosen[count] = farthest
        nearest[farthest] = -1
        farthest = _approach(rows, rows[farthest], nearest)
        if progress is not None:
            progress((count + 1) / batch_size)
    return chosen


def _start(rows: NDArray[np.float32], centres: NDArray[np.float32], nearest: NDArray[np.float32]) -> None:
    """Lower `nearest` to the squared distance of each row to its nearest centre, by matrix products of blocks."""
    if not len(centres) or not len(rows):
        return
    middle = centres.mean(axis=0, dtype=np.float64).astype(np.float32)  # near the origin, products keep their digits
    for start in range(0, len(rows), _ROWS):
        block = rows[start : start + _ROWS] - middle
        lengths = np.einsum("ij,ij->i", block, block)
        best = nearest[start : start + _ROWS]
        for first in range(0, len(centres), _ROWS):
            others = centres[first : first + _ROWS] - middle
            squares = np.einsum("ij,ij->i", others, others)
            distances = block @ (-2 * others.T)
            distances += squares
            place = distances.argmin(axis=1)
            lowest = distances[np.arange(len(block)), place] + lengths
            lowest[lowest < _ROUNDING * (lengths + squares[place])] = 0
            np.minimum(best, lowest, out=best)


@fast
def _approach(rows, centre, nearest):  # type: ignore[no-untyped-def]
    """Lower `nearest` to the squared distances to a new centre; return the row that is now farthest from all.

    Differences are squared, not products taken, so that equal rows are at exactly 0.
    """
    farthest = 0
    largest = np.float32(-1)
    for row in range(len(rows)):
        total = np.float32(0)
        for column in range(rows.shape[1]):
            difference = rows[row, column] - centre[column]
            total += difference * difference
        nearest[row] = min(nearest[row], total)
        if nearest[row] > largest:
            largest, farthest = nearest[row], row
    return farthest
