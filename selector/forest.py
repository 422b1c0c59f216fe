"""Trees that divide points into leaves of near points, and the search for neighbours within a leaf.

Each tree halves the points repeatedly, by the plane between two centres that a few steps of 2-means over a sample find
(two-means trees, as in Annoy). Near points mostly share a leaf; other trees keep together the points that one tree
separates. Within a leaf all pairs are compared, by one matrix product.
"""

import numpy as np
from numpy.typing import NDArray

from selector.compiled import compiled, fast

LEAF = 512
"""Most points in a leaf: their products fill 1 MiB, which stays in a core's cache."""

_SAMPLE = 64  # points that a step of 2-means looks at
_STEPS = 3
_MIDDLE = 255  # points whose median is taken for that of all

_Points = NDArray[np.float32]


@compiled
def plant(points: _Points, leaf: int, seed: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Grow one tree, in O(m·d·log(m / leaf)) time.

    Points that no plane separates, such as copies of one point, are halved in their order.

    Parameters
    ----------
    points : ndarray of shape (m, d), float32

    Returns
    -------
    order : ndarray of shape (m,), int32
        The points, leaf by leaf.
    starts : ndarray of shape (leaves + 1,), int64
        Where each leaf begins in `order`.
    """
    m = len(points)
    order = np.arange(m).astype(np.int32)
    spare = np.empty(m, np.int32)
    places = np.empty(m, np.float32)
    state = np.array([seed], np.uint64)
    starts = [0]
    todo = [(0, m)]
    while len(todo) > 0:
        first, last = todo.pop()
        if last - first <= leaf:
            starts.append(last)
            continue
        direction = _direction(points, order[first:last], state)
        _project(points, order[first:last], direction, places[first:last])
        middle = _middle(places[first:last], state)
        cut = first + _part(order[first:last], places[first:last], middle, spare[first:last])
        todo.append((cut, last))
        todo.append((first, cut))
    return order, np.array(starts)


@compiled
def _random(state: NDArray[np.uint64], below: int) -> np.int64:
    """Return a whole number from 0 to below - 1: splitmix64 (Steele et al. 2014), whose state is one number."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((z ^ (z >> np.uint64(31))) % np.uint64(below))


@fast
def _direction(points: _Points, rows: NDArray[np.int32], state: NDArray[np.uint64]) -> _Points:
    """Return the vector from one centre to the other, (d,)."""
    d = points.shape[1]
    centres = np.empty((2, d), np.float32)
    centres[0] = points[rows[_random(state, len(rows))]]
    centres[1] = points[rows[_one_that_differs(points, rows, centres[0], _random(state, len(rows)))]]
    for _ in range(_STEPS):
        sums = np.zeros((2, d), np.float32)
        counts = np.zeros(2)
        for _ in range(_SAMPLE):
            point = points[rows[_random(state, len(rows))]]
            balance = np.float32(0)
            for k in range(d):
                to_one, to_other = point[k] - centres[0, k], point[k] - centres[1, k]
                balance += to_one * to_one - to_other * to_other
            side = 0 if balance < 0 else 1
            counts[side] += 1
            for k in range(d):
                sums[side, k] += point[k]
        if counts.min() == 0:
            break
        for side in range(2):
            for k in range(d):
                centres[side, k] = sums[side, k] / np.float32(counts[side])
    direction: _Points = centres[0] - centres[1]
    return direction


@compiled
def _one_that_differs(points: _Points, rows: NDArray[np.int32], point: _Points, start: np.int64) -> np.int64:
    """Return the first place in `rows`, from `start` on and around, whose point differs; `start` if there is none.

    If most points are equal, two random points are equal, too, and no plane would separate the few others.
    """
    for step in range(len(rows)):
        place = (start + step) % len(rows)
        for k in range(len(point)):
            if points[rows[place], k] != point[k]:
                return place
    return start


@fast
def _project(points: _Points, rows: NDArray[np.int32], direction: _Points, places: _Points) -> None:
    for place, row in enumerate(rows):
        total = np.float32(0)
        for k in range(len(direction)):
            total += points[row, k] * direction[k]
        places[place] = total


@compiled
def _middle(places: _Points, state: NDArray[np.uint64]) -> np.float32:
    sample = np.empty(min(_MIDDLE, len(places)), np.float32)
    for draw in range(len(sample)):
        sample[draw] = places[_random(state, len(places))]
    sample.sort()
    middle: np.float32 = sample[len(sample) // 2]
    return middle


@compiled
def _part(rows: NDArray[np.int32], places: _Points, middle: np.float32, spare: NDArray[np.int32]) -> int:
    """Bring `rows` that lie below the middle to the front; return how many. Those on it go to either side in turn."""
    low, high = 0, len(rows)
    level = False
    for place, row in enumerate(rows):
        here = places[place]
        if here == middle:
            level = not level
        if here < middle or (here == middle and level):
            spare[low] = row
            low += 1
        else:
            high -= 1
            spare[high] = row
    rows[:] = spare
    if min(low, len(rows) - low) < len(rows) // 8:
        return len(rows) // 2
    return low


@compiled
def search_leaves(
    points: _Points,
    spread: _Points,
    tree: tuple[NDArray[np.int32], NDArray[np.int64]],
    first: int,
    last: int,
    ids: NDArray[np.int32],
    gaps: _Points,
) -> None:
    """Look at all pairs within each leaf from `first` to `last`, and keep for each point the nearest found so far.

    spread: (m,), what is added to the half squared distance to a point. ids, gaps: (m, k), the neighbours of each
    point and how far they are, nearest first; changed in place. -1 and infinity where there is none yet.
    """
    order, starts = tree
    for leaf in range(first, last):
        rows = order[starts[leaf] : starts[leaf + 1]]
        block = _subtract_mean(points, rows, _mean(points, rows))
        _compare(block, rows, rows, block, rows, spread, ids, gaps)


@compiled
def search_leaves_apart(
    points: _Points,
    spread: _Points,
    order: NDArray[np.int32],
    starts: NDArray[np.int64],
    ids: NDArray[np.int32],
    gaps: _Points,
) -> None:
    """Search as `search_leaves` does, in a few leaves whose points' lists lie in arrays of their own.

    order (l,): the points of these leaves. starts: where each begins, counted from the first. ids, gaps (l, k): the
    list of order[i] in row i.
    """
    for leaf in range(len(starts) - 1):
        rows = order[starts[leaf] : starts[leaf + 1]]
        places = np.arange(starts[leaf], starts[leaf + 1]).astype(np.int32)
        block = _subtract_mean(points, rows, _mean(points, rows))
        _compare(block, rows, places, block, rows, spread, ids, gaps)


@compiled
def search_all(points: _Points, spread: _Points, first: int, last: int, ids: NDArray[np.int32], gaps: _Points) -> None:
    """Search as `search_leaves` does, but compare each point from `first` to `last` with all others."""
    everyone = np.arange(len(points)).astype(np.int32)
    mean = _mean(points, everyone)
    for start in range(0, len(points), LEAF):
        others = everyone[start : start + LEAF]
        block = _subtract_mean(points, others, mean)
        for row in range(first, last, LEAF):
            rows = everyone[row : min(row + LEAF, last)]
            _compare(_subtract_mean(points, rows, mean), rows, rows, block, others, spread, ids, gaps)


@fast
def _compare(
    block: _Points,
    rows: NDArray[np.int32],
    places: NDArray[np.int32],
    other_block: _Points,
    others: NDArray[np.int32],
    spread: _Points,
    ids: NDArray[np.int32],
    gaps: _Points,
) -> None:
    """Offer each of `others` to each of `rows`, whose lists are at `places`, by the product of their points."""
    products = np.dot(block, other_block.T)
    halves, other_halves = _half_norms(block), _half_norms(other_block)
    for other in range(len(others)):
        other_halves[other] += spread[others[other]]
    last = ids.shape[1] - 1
    for one in range(len(rows)):
        row, place = rows[one], places[one]
        farthest = gaps[place, last]
        for other in range(len(others)):
            gap = other_halves[other] + halves[one] - products[one, other]
            if gap < farthest and others[other] != row:
                insert_neighbour(ids[place], gaps[place], others[other], max(gap, np.float32(0)))
                farthest = gaps[place, last]


@fast
def _half_norms(block: _Points) -> _Points:
    halves = np.empty(len(block), np.float32)
    for place in range(len(block)):
        total = np.float32(0)
        for column in range(block.shape[1]):
            total += block[place, column] * block[place, column]
        halves[place] = total / 2
    return halves


@fast
def _mean(points: _Points, rows: NDArray[np.int32]) -> _Points:
    mean = np.zeros(points.shape[1], np.float32)
    for row in rows:
        for column in range(points.shape[1]):
            mean[column] += points[row, column]
    return mean / np.float32(len(rows))


@fast
def _subtract_mean(points: _Points, rows: NDArray[np.int32], mean: _Points) -> _Points:
    """Return the rows less their mean: distances do not change, and small numbers keep more digits."""
    block = np.empty((len(rows), points.shape[1]), np.float32)
    for place, row in enumerate(rows):
        for column in range(points.shape[1]):
            block[place, column] = points[row, column] - mean[column]
    return block


@compiled
def insert_neighbour(ids: NDArray[np.int32], gaps: _Points, other: int, gap: np.float32) -> bool:
    """Insert a neighbour that is nearer than the last of a sorted list (k,); False if the list has it already."""
    for known in ids:
        if known == other:
            return False
    place = len(ids) - 1
    while place > 0 and gaps[place - 1] > gap:
        gaps[place], ids[place] = gaps[place - 1], ids[place - 1]
        place -= 1
    gaps[place], ids[place] = gap, other
    return True
