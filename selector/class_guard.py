"""Limit the items of one class in a batch, for any strategy."""

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
    """Pick as `strategies.pick`, but at most `limit` items of a class while the pool has items of other classes.

    The guard picks k_t items and drops, from the end of the draw order, the items beyond each class's limit. It picks
    the missing items from the rest of the pool, without the full classes and with the picked items as centres, and so
    on. If the pool cannot fill the batch in this way, the missing items are picked without a limit: the batch always
    has k_t items. Passes are counted on through the picks; `candidates` is that of the first pick. Takes up to
    n_classes + 1 picks, with many classes about log2(n), mostly two or three.

    Parameters
    ----------
    strategy, pool, batch_size, candidate_factor, rng, progress, workers
        As for `strategies.pick`.
    classes : array-like of shape (n,), int
        The class that the model predicts for each item, from 0 to n_classes - 1.
    n_classes : int
    class_guard : float
        At least 1. A class may have so many times its even share of the batch, k_t / n_classes.

    Returns
    -------
    Selection

    Raises
    ------
    ValueError
        As `pick`, and if `classes` has a wrong shape, type or range.
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
    """Return the most items of one class in a batch: `class_guard` even shares, rounded up; at least 1, at most all.

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
    """Return, for each item, the number of items of its class before it, (n,)."""
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
    """Return a selection from the items at `left` as a selection from the whole pool; its passes follow those
    `before`.
    """
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
