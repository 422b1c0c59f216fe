"""For each point those that are nearest to it: nearly all of them, in nearly linear time."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from selector import forest
from selector.compiled import Threads, compiled, fast, parts
from selector.forest import LEAF, keep

Progress = Callable[[float], None]

ALL_PAIRS = 20_000
"""Points. Among so few looking at all pairs is as quick as the trees, and misses none."""
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
    """The `count` points nearest to each of `points`, nearest first.

    points: (m, d). spread: (m,), at least 0. The gap of two points a and b is |a - b|²/2 + spread a + spread b.
    count: at least 1 and less than m.
    Returns ids and gaps, both (m, count).

    All pairs are looked at up to ALL_PAIRS points. Beyond, several trees find most of them, and one look at the
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
    """Fill ids and gaps, given as -1 and infinity, with near points of each, gaps less the point's own spread.

    A point of infinite spread is nobody's neighbour. `refined`: only so many of the first points look among the
    neighbours of their neighbours too; the lists of the others are as the trees leave them.
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
    """For each point a few of those that have it among their neighbours, (m, 8); -1 where there are fewer."""
    return _asking(ids, _WIDTH)


@compiled
def gap(points: NDArray[np.float32], spread: NDArray[np.float64], one: int, other: int) -> np.float32:
    """Half the average squared distance of two clusters, the same to the last bit whichever is named first."""
    return np.float32(half_square(points, one, other) + (spread[one] + spread[other]))


@fast
def half_square(points: NDArray[np.float32], one: int, other: int) -> np.float32:
    """Half the squared distance of two points."""
    total = np.float32(0)
    for column in range(points.shape[1]):
        difference = points[one, column] - points[other, column]
        total += difference * difference
    return total / np.float32(2)


@compiled
def _asking(ids: NDArray[np.int32], most: int) -> NDArray[np.int32]:
    """For each point up to `most` of those that have it among their neighbours, (m, most); -1 where there are fewer."""
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
        keep(ids, gaps, other, distance)


@compiled
def measure(
    points: NDArray[np.float32],
    spread: NDArray[np.float64],
    first: int,
    ids: NDArray[np.int32],
    gaps: NDArray[np.float32],
) -> None:
    """Recompute the gaps of the points from `first` on, without the rounding of the products and with the point's own
    spread, and sort by them. ids, gaps (l, k): the lists of l points, changed in place.
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
