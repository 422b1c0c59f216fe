"""A guard against batches of one class, over any strategy."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selector.checks import factor, whole_number
from selector.cluster_margin import Selection
from selector.sharded import Workers
from selector.strategies import PoolArrays, pick

# Picks after which each asks for twice as many items as the one before: with thousands of classes that are filled one
# by one, so few are missing in the end that asking for just those would take thousands of picks.
_PATIENCE = 8


def pick_guarded(
    strategy: str,
    pool: PoolArrays,
    *,
    classes: ArrayLike,
    n_classes: int,
    class_guard: float,
    batch_size: int,
    candidate_factor: float = 1.0,
    rng: np.random.Generator,
    progress: Callable[[float], None] | None = None,
    workers: Workers | None = None,
) -> Selection:
    """Pick as `strategies.pick` does, but of no class more than `limit` items, as long as the pool has others.

    classes: (n,) whole numbers from 0 to n_classes - 1, the class that the model takes each item to be.
    class_guard: at least 1: how many times its even share of the batch, k_t / n_classes, a class may have.

    Picks k_t items and drops, from the end of the draw order, those of each class that are too many. Then it picks as
    many as are missing from what is left, without the classes that are full and with what is picked as centres, and so
    on. If the pool cannot fill the batch in this way, the guard is lifted for what is missing: k_t are picked always.
    Passes are counted on through the picks; the candidates are those of the first one.
    Takes up to n_classes + 1 picks, with many classes about log2(n), most often two or three.
    Raises ValueError as `pick` does, and on classes that do not fit.
    """
    n_classes = whole_number(n_classes, "n_classes", least=1)
    names = _checked_classes(classes, pool.size, n_classes)
    batch_size = min(whole_number(batch_size, "batch_size", least=0), pool.size)
    most = limit(batch_size, n_classes, class_guard)
    taken = np.zeros(pool.size, bool)
    counts = np.zeros(n_classes, np.int64)
    parts: list[Selection] = []

    def pick_from(left: NDArray[np.int64], ask: int) -> Selection:
        remaining = pool.without(left, np.concatenate([part.indices for part in parts])) if parts else pool
        picked = pick(
            strategy,
            remaining,
            batch_size=ask,
            candidate_factor=candidate_factor,
            rng=rng,
            progress=progress if not parts else None,
            workers=workers,
        )
        return _moved(picked, left, parts)

    left = np.arange(pool.size)
    missing = batch_size
    while len(left) and (missing or not parts):
        ask = min(missing << max(0, len(parts) - _PATIENCE), len(left))
        picked = pick_from(left, ask)
        kept = _ranks_of_class(names[picked.indices]) + counts[names[picked.indices]] < most
        part = _only(picked, np.flatnonzero(kept)[:missing])
        parts.append(part)
        taken[part.indices] = True
        counts += np.bincount(names[part.indices], minlength=n_classes)
        missing -= len(part.indices)
        left = np.flatnonzero(~taken & (counts[names] < most))
    if missing:
        parts.append(pick_from(np.flatnonzero(~taken), missing))
    return _joined(parts) if parts else pick(strategy, pool, batch_size=0, candidate_factor=candidate_factor, rng=rng)


def limit(batch_size: int, n_classes: int, class_guard: float) -> int:
    """How many items of one class a batch may hold: `class_guard` even shares, rounded up; at least 1, at most all.

    >>> limit(100, 10, 1.5), limit(100, 10, 1.1), limit(5, 1000, 2), limit(100, 10, 1e300)
    (15, 11, 1, 100)
    """
    shares = min(factor(class_guard, "class_guard") * batch_size / n_classes, batch_size)
    return max(1, math.ceil(shares - 1e-9))  # 1.1 · 100 / 10 is a trifle more than 11


def _checked_classes(classes: ArrayLike, items: int, n_classes: int) -> NDArray[np.int64]:
    array = np.asarray(classes)
    if array.shape != (items,) or (items and array.dtype.kind not in "iu"):
        raise ValueError(f"classes must be one whole number for each of {items} items, not shape {array.shape}")
    if items and not (array.min() >= 0 and array.max() < n_classes):
        raise ValueError(f"classes must lie in 0 … {n_classes - 1}, not {array.min()} … {array.max()}")
    return array.astype(np.int64, copy=False)


def _ranks_of_class(names: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each item how many of its class come before it."""
    order = np.argsort(names, kind="stable")
    _, starts, sizes = np.unique(names[order], return_index=True, return_counts=True)
    ranks = np.empty(len(names), np.int64)
    ranks[order] = np.arange(len(names)) - np.repeat(starts, sizes)
    return ranks


def _only(selection: Selection, places: NDArray[np.int64]) -> Selection:
    return Selection(
        indices=selection.indices[places],
        passes=selection.passes[places],
        clusters=selection.clusters[places],
        cluster_sizes=selection.cluster_sizes[places],
        candidates=selection.candidates,
    )


def _moved(selection: Selection, left: NDArray[np.int64], before: list[Selection]) -> Selection:
    """A selection from the items at `left`, as one from the whole pool whose passes follow those `before`."""
    passes_before = max((int(part.passes.max()) + 1 for part in before if len(part.passes)), default=0)
    return Selection(
        indices=left[selection.indices],
        passes=selection.passes + passes_before,
        clusters=selection.clusters,
        cluster_sizes=selection.cluster_sizes,
        candidates=selection.candidates,
    )


def _joined(parts: list[Selection]) -> Selection:
    return Selection(
        indices=np.concatenate([part.indices for part in parts]),
        passes=np.concatenate([part.passes for part in parts]),
        clusters=np.concatenate([part.clusters for part in parts]),
        cluster_sizes=np.concatenate([part.cluster_sizes for part in parts]),
        candidates=parts[0].candidates,
    )
