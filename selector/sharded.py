"""The search for neighbours in shards, for workers that share no memory: the same lists as `neighbours`, bit for bit.

A point is in one leaf of each tree, and what is compared within a leaf is one matrix product. So leaves are what is
handed out: a worker gets the lists of their points as the trees before have left them, and gives them back. The points
themselves go to every worker once: neighbours of neighbours may lie anywhere.

Merging stays in one place. It follows chains through all clusters, and takes far less time than the search.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from selector import forest, neighbours
from selector.compiled import Threads, parts, writable
from selector.forest import LEAF
from selector.neighbours import ALL_PAIRS, TREES, Progress

_COPIED = 1 << 30  # bytes of an array up to which each core has a copy
_EACH = 2  # shards a core: all end at about the same time, also where one core is slower

Lists = tuple[NDArray[np.int32], NDArray[np.float32]]


class Workers(Protocol):
    """Who computes: other processes, here or on other machines."""

    @property
    def count(self) -> int:
        """Cores that compute side by side."""

    def share(self, value: Any) -> Any:
        """What to hand to calls for a value that many of them take: it goes to each machine once."""

    def map(self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """The results of `function(*call)` for each of `calls`, in their order. Arguments must not be changed."""


def nearest_neighbours(
    points: NDArray[np.float32],
    spread: NDArray[np.float64],
    count: int,
    *,
    seed: int,
    workers: Workers,
    threads: Threads,
    progress: Progress = lambda share: None,
) -> Lists:
    """As `neighbours.nearest_neighbours`. Points so few that all pairs are looked at are searched here."""
    if len(points) <= ALL_PAIRS:
        return neighbours.nearest_neighbours(points, spread, count, seed=seed, threads=threads, progress=progress)
    ids, gaps = search_trees(points, spread, count, seed=seed, workers=workers, progress=progress, measured=True)
    progress(1.0)
    return ids, gaps


def search_trees(
    points: NDArray[np.float32],
    spread: NDArray[np.floating[Any]],
    count: int,
    *,
    seed: int,
    workers: Workers,
    progress: Progress = lambda share: None,
    measured: bool = False,
    refined: int | None = None,
) -> Lists:
    """As `neighbours.search_trees` from empty lists; `measured`: with the gaps computed again, as `neighbours.measure`.

    For that the spread has to be float64. `refined`: as there.
    """
    m = len(points)
    ids = np.full((m, count), -1, np.int32)
    gaps = np.full((m, count), np.inf, np.float32)
    shared, spreads = workers.share(points), workers.share(spread)
    planted = workers.map(plant, [(shared, seed * TREES + tree) for tree in range(TREES)])
    for step, (order, starts) in enumerate(planted):
        shards = parts(len(starts) - 1, _EACH * workers.count)
        edges = [(starts[first], starts[last]) for first, last in shards]
        lists = (None if step == 0 else (ids[order[a:b]], gaps[order[a:b]]) for a, b in edges)
        calls = (
            (shared, spreads, order[a:b], starts[first : last + 1] - a, count, known)
            for (first, last), (a, b), known in zip(shards, edges, lists, strict=True)
        )
        for n_searched, ((a, b), (some, far)) in enumerate(
            zip(edges, workers.map(search_leaves, calls), strict=True), 1
        ):
            ids[order[a:b]], gaps[order[a:b]] = some, far
            progress((step + n_searched / len(shards)) / (TREES + 1))
    asking = neighbours.asking_of(ids)
    known, askers = workers.share(ids.copy()), workers.share(asking)
    edges = parts(m if refined is None else refined, _EACH * workers.count)
    asked = ((shared, spreads, known, askers, a, ids[a:b], gaps[a:b], measured) for a, b in edges)
    for (a, b), (some, far) in zip(edges, workers.map(ask_neighbours, asked), strict=True):
        ids[a:b], gaps[a:b] = some, far
    return ids, gaps


def plant(points: NDArray[np.float32], seed: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """As `forest.plant`."""
    return forest.plant(writable(points), LEAF, seed)


def search_leaves(
    points: NDArray[np.float32],
    spread: NDArray[np.floating[Any]],
    order: NDArray[np.int32],
    starts: NDArray[np.int64],
    count: int,
    lists: Lists | None,
) -> Lists:
    """The lists of the points of a few leaves, given as the trees before have left them, with what these leaves add."""
    ids = np.full((len(order), count), -1, np.int32) if lists is None else lists[0].copy()
    gaps = np.full((len(order), count), np.inf, np.float32) if lists is None else lists[1].copy()
    with Threads(1):  # products keep to one core, as in `neighbours`
        forest.search_leaves_apart(
            writable(points), spread.astype(np.float32), writable(order), writable(starts), ids, gaps
        )
    return ids, gaps


def ask_neighbours(
    points: NDArray[np.float32],
    spread: NDArray[np.floating[Any]],
    known: NDArray[np.int32],
    asking: NDArray[np.int32],
    first: int,
    ids: NDArray[np.int32],
    gaps: NDArray[np.float32],
    measured: bool,
) -> Lists:
    """The lists of the points from `first` on, with the neighbours of their neighbours."""
    ids, gaps, points = ids.copy(), gaps.copy(), _own(points)
    near = spread.astype(np.float32)
    neighbours.ask_neighbours(points, near, _own(known), _own(asking), first, ids, gaps)
    if measured:
        neighbours.measure(points, spread.astype(np.float64), first, ids, gaps)
    return ids, gaps


def _own(array: NDArray[Any]) -> NDArray[Any]:
    """The array in memory of this process, unless it is so large that a copy for each core would count.

    What processes share lies in small pages, which the processor finds more slowly than the large ones of numpy: among
    rows that lie far apart, that took a sixth of the time.
    """
    return np.array(array) if array.nbytes <= _COPIED else writable(array)
