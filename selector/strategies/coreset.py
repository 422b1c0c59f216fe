"""CoreSet: a batch such that every item of the pool is near an item of the batch or a labeled one.

Source: Sener and Savarese 2018, "Active Learning for Convolutional Neural Networks: A Core-Set Approach" (arXiv
1708.00489), the greedy k-centre of algorithm 1.

The picks happen in rounds. Distances only fall, so an item's distance at the start of a round bounds it from above. A
round updates the farthest items alone, and picks one as long as it is farther than the bound of all others; then all
others are updated at once. The picks are the same as with an update of all items after each pick.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from selector.cluster_margin import Selection
from selector.compiled import fast, writable
from selector.sharded import Workers
from selector.strategies.pool import PoolArrays, vectors
from selector.strategies.ranked import in_one_pass
from selector.strategies.shards import BLOCK, Shards

# A squared distance smaller than this, relative to the squared lengths that it is the difference of, is rounding.
_ROUNDING = 4e-6
# Items that are looked at apart: so many, or this share of all, whose distances then take a hundredth of the time.
_FEWEST, _SHARE = 256, 128


def pick(
    pool: PoolArrays,
    batch_size: int,
    rng: np.random.Generator,
    progress: Callable[[float], None] | None = None,
    workers: Workers | None = None,
    **_: object,
) -> Selection:
    """Pick the item farthest from all centres, and make it a centre, `batch_size` times.

    The first centres are `pool.centre_embeddings`; without them, the first item is drawn uniformly at random. Distances
    are Euclidean, between embeddings in float32. Of equally far items the first is picked; once all distances are 0,
    the remaining items are drawn uniformly at random. The candidates are the whole pool.

    Takes O(n·d·(k + m)) time for k items and m first centres, and O(n) memory beyond embeddings in float32.

    workers: the processes that compute distances; by default, this one. They do not affect the result.

    Raises ValueError if embeddings hold no numbers, or if centres have another number of columns.
    """
    assert pool.embeddings is not None
    rows = vectors(pool.embeddings, "embeddings")
    centres = (
        None if pool.centre_embeddings is None else vectors(pool.centre_embeddings, "centre_embeddings", like=rows)
    )
    nearest = np.full(len(rows), np.inf, np.float32)  # squared distance to the nearest centre; -1 when it is one itself
    chosen = np.empty(batch_size, np.int64)
    shards = Shards([rows], batch_size + (0 if centres is None else len(centres)), workers)
    if centres is not None and len(centres) and len(rows):
        shards.update(_from_centres, nearest, centres)
    count = 0
    while count < batch_size:
        if np.isinf(nearest[0]):
            picked = np.array([rng.integers(len(rows))])
        else:
            picked = _round(rows, nearest, batch_size - count)
        if not len(picked):
            left = np.flatnonzero(nearest >= 0)
            chosen[count:] = rng.choice(left, batch_size - count, replace=False)
            break
        chosen[count : count + len(picked)] = picked
        count += len(picked)
        nearest[picked] = -1
        shards.update(_from_picked, nearest, rows[picked])
        if progress is not None:
            progress(count / batch_size)
    return in_one_pass(chosen, pool)


def _round(rows: NDArray[np.float32], nearest: NDArray[np.float32], most: int) -> NDArray[np.int64]:
    """Return the next picks, up to `most`, that the farthest items alone decide; none once all distances are 0."""
    apart, bound, first = _farthest(nearest, max(_FEWEST, len(rows) // _SHARE))
    points, distances = rows[apart], nearest[apart]
    picked: list[int] = []
    while len(picked) < most:
        place = int(distances.argmax())
        farther = distances[place] > bound or (distances[place] == bound and apart[place] < first)
        if distances[place] <= 0 or not farther:
            break
        picked.append(apart[place])
        distances[place] = -1
        _approach(points, points[place : place + 1], distances)
    return np.array(picked, np.int64)


def _farthest(nearest: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], np.float32, int]:
    """Return the `count` farthest items in the order of the pool, the largest distance of the others, and the first of
    the others that may have that distance.

    Of equally far items the first ones count as farther.
    """
    if count >= len(nearest):
        return np.arange(len(nearest)), np.float32(-1), 0
    bound = np.partition(nearest, len(nearest) - count)[-count]
    level = np.flatnonzero(nearest == bound)
    farther = np.flatnonzero(nearest > bound)
    taken = count - len(farther)
    first = int(level[taken]) if taken < len(level) else len(nearest)
    return np.sort(np.concatenate([farther, level[:taken]])), bound, first


def _from_picked(
    rows: NDArray[np.float32], nearest: NDArray[np.float32], picked: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return `nearest`, lowered to the squared distances to these points."""
    lowered = nearest.copy()
    _approach(writable(rows), writable(picked), lowered)
    return lowered


def _from_centres(
    rows: NDArray[np.float32], nearest: NDArray[np.float32], centres: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return `nearest`, lowered to the squared distances to the centres, by matrix products of blocks, for many
    centres.
    """
    lowered = nearest.copy()
    middle = centres.mean(axis=0, dtype=np.float64).astype(np.float32)  # near the origin, products keep their digits
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK] - middle
        lengths = np.einsum("ij,ij->i", block, block)
        best = lowered[start : start + BLOCK]
        for first in range(0, len(centres), BLOCK):
            others = centres[first : first + BLOCK] - middle
            squares = np.einsum("ij,ij->i", others, others)
            distances = block @ (-2 * others.T)
            distances += squares
            place = distances.argmin(axis=1)
            lowest = distances[np.arange(len(block)), place] + lengths
            lowest[lowest < _ROUNDING * (lengths + squares[place])] = 0
            np.minimum(best, lowest, out=best)
    return lowered


@fast
def _approach(rows: NDArray[np.float32], points: NDArray[np.float32], nearest: NDArray[np.float32]) -> None:
    """Lower `nearest` to the squared distances of the rows to the points.

    Sums squared differences instead of products, so that equal rows have a distance of exactly 0.
    """
    for row in range(len(rows)):
        least = nearest[row]
        for point in range(len(points)):
            total = np.float32(0)
            for column in range(rows.shape[1]):
                difference = rows[row, column] - points[point, column]
                total += difference * difference
            least = min(least, total)
        nearest[row] = least
