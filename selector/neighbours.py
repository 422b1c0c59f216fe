"""The nearest neighbours of each point, nearly all of them, in nearly linear time."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from selector import forest
from selector.compiled import Threads, compiled, fast, parts
from selector.forest import LEAF, insert_neighbour

Progress = Callable[[float], None]

ALL_PAIRS = 20_000
"""The most points of which all pairs are compared: that is as quick as the trees, and misses no neighbour."""
TREES = 6
_WIDTH = 8  # how many of a neighbour's own neighbours, and of those that it is a neighbour of, are asked


def nearest_neighbours(
    points: NDArray[np.float32],
    spread: NDArray[np.float64],
    count: int,
    *,
    seed: int,
    threads: Threads,
    progress: Progress = lambda share: None,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Find the `count` points nearest to each point, nearest first.

    Parameters
    ----------
    points : ndarray of shape (m, d), float32
    spread : ndarray of shape (m,), float64
        At least 0. The gap of two points a and b is |a - b|²/2 + spread a + spread b.
    count : int
        At least 1 and less than m.
    seed : int
    threads : Threads
    progress : callable
        Called with the share done.

    Returns
    -------
    ids : ndarray of shape (m, count), int32
    gaps : ndarray of shape (m, count), float32

    Notes
    -----
    Up to ALL_PAIRS points, all pairs are compared. Beyond, several trees find most neighbours, and one look at the
    neighbours of neighbours (Dong et al. 2011, "Efficient k-nearest neighbor graph construction") most of the rest.
    Takes O(m·log m) time. The same arguments give the same result on the same machine.
    """
    m = len(points)
    ids = np.full((m, count), -1, np.int32)
    gaps = np.full((m, count), np.inf, np.float32)
    search = _search_all if m <= ALL_PAIRS else search_trees
    search(points, spread.astype(np.float32), ids, gaps, seed, threads, progress)
    calls = [(points, spread, first, ids[first:last], gaps[first:last]) for first, last in parts(m, threads.count)]
    list(threads.map(measure, calls))
    progress(1.0)
    return ids, gaps


def _search_all(
    points: NDArray[np.float32],
    spread: NDArray[np.float32],
    ids: NDArray[np.int32],
    gaps: NDArray[np.float32],
    seed: int,
    threads: Threads,
    progress: Progress,
) -> None:
    calls = [(points, spread, *part, ids, gaps) for part in parts(len(points), threads.count)]
    list(threads.map(forest.search_all, calls))


def search_trees(
    points: NDArray[np.float32],
    spread: NDArray[np.float32],
    ids: NDArray[np.int32],
    gaps: NDArray[np.float32],
    seed: int,
    threads: Threads,
    progress: Progress,
    *,
    refined: int | None = None,
) -> None:
    """Fill ids and gaps, given as -1 and infinity, with near points; gaps are without the point's own spread.

    A point of infinite spread is no neighbour of any point. `refined`: the number of first points whose lists also take
    neighbours of neighbours; the lists of the other points stay as the trees fill them.
    """
    for tree in range(0, TREES, threads.count):
        seeds = range(tree, min(tree + threads.count, TREES))
        planted = list(threads.map(forest.plant, [(points, LEAF, seed * TREES + one) for one in seeds]))
        for step, grown in enumerate(planted, start=tree):
            calls = [(points, spread, grown, *part, ids, gaps) for part in parts(len(grown[1]) - 1, 8 * threads.count)]
            for n_searched, _ in enumerate(threads.map(forest.search_leaves, calls), start=1):
                progress((step + n_searched / len(calls)) / (TREES + 1))
    refine(points, spread, ids, gaps, len(points) if refined is None else refined, threads)


def refine(
    points: NDArray[np.float32],
    spread: NDArray[np.float32],
    ids: NDArray[np.int32],
    gaps: NDArray[np.float32],
    count: int,
    threads: Threads,
) -> None:
    """Try, for the first `count` points, the neighbours of their neighbours."""
    known, asking = ids.copy(), asking_of(ids)
    asked = [
        (points, spread, known, asking, first, ids[first:last], gaps[first:last])
        for first, last in parts(count, threads.count)
    ]
    list(threads.map(ask_neighbours, asked))


def asking_of(ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return a few points that have each point in their lists, (m, 8); -1 fills short rows."""
    return _asking(ids, _WIDTH)


@compiled
def gap(points: NDArray[np.float32], spread: NDArray[np.float64], one: int, other: int) -> np.float32:
    """Return half the average squared distance of two clusters; symmetric to the last bit."""
    return np.float32(half_square(points, one, other) + (spread[one] + spread[other]))


@fast
def half_square(points: NDArray[np.float32], one: int, other: int) -> np.float32:
    """Return half the squared distance of two points."""
    total = np.float32(0)
    for column in range(points.shape[1]):
        difference = points[one, column] - points[other, column]
        total += difference * difference
    return total / np.float32(2)


@compiled
def _asking(ids: NDArray[np.int32], most: int) -> NDArray[np.int32]:
    """Return up to `most` points that have each point in their lists, (m, most); -1 fills short rows."""
    asking = np.full((len(ids), most), -1, np.int32)
    filled = np.zeros(len(ids), np.int32)
    for place in range(ids.shape[1]):
        for row in range(len(ids)):
            other = ids[row, place]
            if other >= 0 and filled[other] < most:
                asking[other, filled[other]] = row
                filled[other] += 1
    return asking


@compiled
def ask_neighbours(
    points: NDArray[np.float32],
    spread: NDArray[np.float32],
    known: NDArray[np.int32],
    asking: NDArray[np.int32],
    first: int,
    ids: NDArray[np.int32],
    gaps: NDArray[np.float32],
) -> None:
    """Try, for the points from `first` on, the neighbours of their neighbours.

    known (m, k) and asking (m, w): of all points. ids, gaps (l, k): the lists of l points, changed in place.
    """
    count, width = known.shape[1], asking.shape[1]
    seen = np.full(len(points), -1, np.int32)  # the last point that each was tried for
    for place in range(len(ids)):
        row = first + place
        seen[row] = row
        for other in known[row]:
            if other >= 0:
                seen[other] = row
        for column in range(count + width):
            middle = known[row, column] if column < count else asking[row, column - count]
            if middle < 0:
                continue
            if seen[middle] != row:
                _try(points, spread, row, middle, seen, ids[place], gaps[place])
            for step in range(width):
                if step < count:
                    _try(points, spread, row, known[middle, step], seen, ids[place], gaps[place])
                _try(points, spread, row, asking[middle, step], seen, ids[place], gaps[place])


@compiled
def _try(
    points: NDArray[np.float32],
    spread: NDArray[np.float32],
    row: int,
    other: int,
    seen: NDArray[np.int32],
    ids: NDArray[np.int32],
    gaps: NDArray[np.float32],
) -> None:
    if other < 0 or seen[other] == row:
        return
    seen[other] = row
    distance = half_square(points, row, other) + spread[other]
    if distance < gaps[-1]:
        insert_neighbour(ids, gaps, other, distance)


@compiled
def measure(
    points: NDArray[np.float32],
    spread: NDArray[np.float64],
    first: int,
    ids: NDArray[np.int32],
    gaps: NDArray[np.float32],
) -> None:
    """Recompute and sort the gaps of the points from `first` on, exactly and with the point's own spread.

    ids, gaps (l, k): the lists of l points, changed in place.
    """
    for row in range(len(ids)):
        for read in range(ids.shape[1]):
            other = ids[row, read]
            if other < 0:
                break
            distance = gap(points, spread, first + row, other)
            place = read
            while place > 0 and gaps[row, place - 1] > distance:
                gaps[row, place], ids[row, place] = gaps[row, place - 1], ids[row, place - 1]
                place -= 1
            gaps[row, place], ids[row, place] = distance, other
