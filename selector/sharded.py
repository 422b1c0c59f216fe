"""The search for neighbours in shards, for workers without shared memory: the same lists as `neighbours`, bit for bit.

Each point is in one leaf of each tree, and one matrix product compares all points of a leaf. So the workers get leaves,
one tree after the other. The lists of their points stay on the workers between trees: each shard sends them to the
shards of the next tree that hold the points. The points themselves are sent to every worker once, because neighbours of
neighbours may be anywhere.

One process does the merging, which follows chains through all clusters and takes far less time than the search.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
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
Piece = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]
"""Some of the lists of a shard, and which of its points they belong to."""


class Workers(Protocol):
    """Other processes for computations, on this machine or on others."""

    @property
    def count(self) -> int:
        """The number of cores that compute in parallel."""

    def share(self, value: Any) -> Any:
        """Send a value to each machine once, and return a handle to pass to calls in its place."""

    def map(self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Return the results of `function(*call)` for each of `calls`, in their order. Functions must not change
        arguments.
        """

    def map_kept(
        self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], pieces: int
    ) -> Iterator[Sequence[Any]]:
        """Call functions as `map` does, but leave results, in `pieces` pieces, on the workers; yield handles for later
        calls.
        """


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
    """Find neighbours as `neighbours.nearest_neighbours` does. Up to ALL_PAIRS points are searched in this process."""
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
    """Search as `neighbours.search_trees` does with empty lists. `measured`: recompute the gaps as `neighbours.measure`
    does.

    With `measured`, `spread` must be float64. `refined`: as there.
    """
    shared = workers.share(points), workers.share(spread)
    ids, gaps = _search_leaves_of_trees(shared, len(points), count, seed, workers, progress)
    m = len(points) if refined is None else refined
    if m <= ALL_PAIRS and not measured:  # so few take less time than it takes to tell the workers
        with Threads() as threads:
            neighbours.refine(points, spread.astype(np.float32), ids, gaps, m, threads)
        return ids, gaps
    known, asking = workers.share(ids.copy()), workers.share(neighbours.asking_of(ids))
    edges = parts(m, _EACH * workers.count)
    asked = ((*shared, known, asking, a, ids[a:b], gaps[a:b], measured) for a, b in edges)
    for (a, b), (some, far) in zip(edges, workers.map(ask_neighbours, asked), strict=True):
        ids[a:b], gaps[a:b] = some, far
    return ids, gaps


def _search_leaves_of_trees(
    shared: tuple[Any, Any], m: int, count: int, seed: int, workers: Workers, progress: Progress
) -> Lists:
    """Return the `count` nearest neighbours of each of the m points that share a leaf with it in any tree.

    `shared`: the workers' handles on points and spread.
    """
    planted = workers.map(plant, [(shared[0], seed * TREES + number) for number in range(TREES)])
    trees = (Tree(order, starts, parts(len(starts) - 1, _EACH * workers.count)) for order, starts in planted)
    tree, kept = next(trees), list[Sequence[Any]]()
    for step, following in enumerate(trees):
        calls = [
            (following.places[rows], following.edges, *shared, count, rows, *others)
            for rows, *others in tree.calls(kept)
        ]
        results = workers.map_kept(search_and_deal, calls, len(following.shards))
        kept = list(_reported(results, len(calls), step, progress))
        tree = following
    ids, gaps = np.empty((m, count), np.int32), np.empty((m, count), np.float32)
    calls = [(*shared, count, rows, *others) for rows, *others in tree.calls(kept)]
    results = _reported(workers.map(search_leaves, calls), len(calls), TREES - 1, progress)
    for (rows, *_), lists in zip(tree.calls(kept), results, strict=True):
        ids[rows], gaps[rows] = lists
    return ids, gaps


def _reported(results: Iterator[Any], count: int, step: int, progress: Progress) -> Iterator[Any]:
    for done, result in enumerate(results, 1):
        progress((step + done / count) / (TREES + 1))
        yield result


@dataclass
class Tree:
    """A tree: its points in leaf order, the start of each leaf, and the range of leaves of each shard."""

    order: NDArray[np.int32]
    starts: NDArray[np.int64]
    shards: list[tuple[int, int]]

    @property
    def edges(self) -> NDArray[np.int64]:
        """The positions in `order` at which the shards begin, and the end of the last one."""
        return self.starts[[0, *(last for _, last in self.shards)]]

    @cached_property
    def places(self) -> NDArray[np.int32]:
        """The position of each point in `order`."""
        places = np.empty_like(self.order)
        places[self.order] = np.arange(len(self.order), dtype=np.int32)
        return places

    def calls(self, kept: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
        """Yield for each shard its points, the starts of its leaves, and the lists from the shards of the tree
        before.
        """
        for shard, ((first, last), (a, b)) in enumerate(zip(self.shards, pairwise(self.edges), strict=True)):
            yield self.order[a:b], self.starts[first : last + 1] - a, *(pieces[shard] for pieces in kept)


def plant(points: NDArray[np.float32], seed: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Grow a tree as `forest.plant` does."""
    return forest.plant(writable(points), LEAF, seed)


def search_leaves(
    points: NDArray[np.float32],
    spread: NDArray[np.floating[Any]],
    count: int,
    order: NDArray[np.int32],
    starts: NDArray[np.int64],
    *dealt: Piece,
) -> Lists:
    """Search the leaves of a shard: continue the points' lists from the trees before, and return the new lists."""
    ids = np.full((len(order), count), -1, np.int32)
    gaps = np.full((len(order), count), np.inf, np.float32)
    for rows, some, far in dealt:
        ids[rows], gaps[rows] = some, far
    with Threads(1):  # products keep to one core, as in `neighbours`
        forest.search_leaves_apart(
            writable(points), spread.astype(np.float32), writable(order), writable(starts), ids, gaps
        )
    return ids, gaps


def search_and_deal(places: NDArray[np.int32], edges: NDArray[np.int64], *search: Any) -> list[Piece]:
    """Search as `search_leaves` does, and divide the lists by the shards of the next tree.

    places (l,): the points' positions in the next tree's order. edges: the starts of its shards, and the end of the
    last.
    """
    ids, gaps = search_leaves(*search)
    by_place = np.argsort(places)
    cuts = np.searchsorted(places[by_place], edges)
    rows = [by_place[first:last] for first, last in pairwise(cuts)]
    return [(places[some] - start, ids[some], gaps[some]) for some, start in zip(rows, edges, strict=False)]


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
    """Extend the lists of the points from `first` on by the neighbours of their neighbours."""
    ids, gaps, points = ids.copy(), gaps.copy(), _own(points)
    near = spread.astype(np.float32)
    neighbours.ask_neighbours(points, near, _own(known), _own(asking), first, ids, gaps)
    if measured:
        neighbours.measure(points, spread.astype(np.float64), first, ids, gaps)
    return ids, gaps


def _own(array: NDArray[Any]) -> NDArray[Any]:
    """Copy a shared array into this process's memory, unless a copy for each core would take too much.

    Shared memory has small pages, in which the processor finds distant rows more slowly than in numpy's large pages;
    that took a sixth of the time.
    """
    return np.array(array) if array.nbytes <= _COPIED else writable(array)
