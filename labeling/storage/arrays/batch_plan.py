"""Choose a batch's items: the control slice at random, the rest by the project's strategy. Arrays only: no database."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from labeling.storage.arrays.batch_forecast import split_batch
from selector.class_guard import pick_guarded
from selector.sharded import Workers
from selector.strategies import PoolArrays, pick, settle_factor

NOT_APPLICABLE = -1


@dataclass(frozen=True, slots=True)
class Pool:
    """The unlabeled items: rows (n,), whether each is reserved for control (n,) bool, and their control keys (n,)."""

    rows: np.ndarray
    reserved: np.ndarray
    control_keys: np.ndarray


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch in the order in which its tasks are served. All arrays (k,), NOT_APPLICABLE for missing values.

    candidate_factor: the given or the computed factor; None if the strategy has no candidates.
    """

    rows: np.ndarray
    is_control: np.ndarray
    is_asked: np.ndarray
    passes: np.ndarray
    clusters: np.ndarray
    cluster_sizes: np.ndarray
    candidates: int
    candidate_factor: float | None


@dataclass(frozen=True, slots=True)
class Guard:
    """The limit on each class: at most `times` its even share. classes (rows,): the model's predicted classes."""

    classes: np.ndarray
    n_classes: int
    times: float


def plan_batch(
    pool: Pool,
    *,
    batch_size: int,
    control_share: float,
    strategy: str,
    candidate_factor: float | None,
    rng: np.random.Generator,
    labeled_rows: np.ndarray | None = None,
    guard: Guard | None = None,
    asked: np.ndarray | None = None,
    checks: np.ndarray | None = None,
    progress: Callable[[float], None] | None = None,
    workers: Workers | None = None,
    **arrays: np.ndarray | None,
) -> Plan:
    """Plan a batch. Pure: the same input and generator state give the same plan.

    The control slice is the front of the reserved items' permutation. It grows beyond the control share only if the
    other items do not fill the batch.

    Parameters
    ----------
    pool : Pool
    batch_size : int
        The number of items to take; fewer if the pool has fewer.
    control_share : float
        The share of control items in the batch.
    strategy : str
        The name of the strategy that picks the other items.
    candidate_factor : float or None
        If None, the batch has enough candidates for each item to come from a cluster of its own:
        `candidates.sufficient_factor`.
    rng : Generator
    labeled_rows : ndarray of shape (l,), int64, or None
        The rows of labeled items, for strategies that pick `apart_from_labeled`.
    guard : Guard or None
        The limit on the items of one class; no limit by default.
    asked : ndarray of shape (a,), int64, or None
        Rows to take before all others, if they are in the pool and not reserved. Their tasks are served before all
        others except the control tasks among them.
    checks : ndarray of shape (c,), int64, or None
        Rows to take after `asked`, while the batch has room. Their tasks are served among the picked ones, so that no
        order tells the two apart.
    workers : Workers or None
        The processes that read the pool for slow strategies; by default, this process.
    **arrays : ndarray of shape (rows, …), or None
        Fields of `PoolArrays`, indexed by row. The strategy's `needs` are required.

    Returns
    -------
    Plan
    """
    reserved = np.flatnonzero(pool.reserved)
    reserved = reserved[np.argsort(pool.control_keys[reserved], kind="stable")]
    others = np.flatnonzero(~pool.reserved)
    n_open, n_control = split_batch(len(others), len(reserved), batch_size=batch_size, control_share=control_share)
    control = pool.rows[reserved[:n_control]]
    open_rows = pool.rows[others]
    asked_rows, open_rows = _take_preferred(asked, open_rows, n_open)
    check_rows, open_rows = _take_preferred(checks, open_rows, n_open - len(asked_rows))
    n_open -= len(asked_rows) + len(check_rows)
    embeddings, clusters = arrays.get("embeddings"), arrays.get("clusters")
    open_pool = PoolArrays(
        size=len(open_rows),
        **{name: array[open_rows] for name, array in arrays.items() if array is not None},
        centre_embeddings=embeddings[labeled_rows] if embeddings is not None and labeled_rows is not None else None,
    )
    candidate_factor = settle_factor(strategy, open_pool, batch_size=n_open, candidate_factor=candidate_factor)
    options: dict[str, Any] = {
        "batch_size": n_open,
        "candidate_factor": candidate_factor or 1.0,
        "rng": rng,
        "progress": progress,
        "workers": workers,
    }
    if guard is None:
        selection = pick(strategy, open_pool, **options)
    else:
        options |= {"n_classes": guard.n_classes, "class_guard": guard.times}
        selection = pick_guarded(strategy, open_pool, classes=guard.classes[open_rows], **options)
    picked = open_rows[selection.indices]
    rows = np.concatenate([picked, check_rows, asked_rows, control])
    order, is_control = _serving_order(len(picked) + len(check_rows), len(asked_rows), len(control), rng)
    passes, cluster_sizes, clusters_of = (np.full(len(rows), NOT_APPLICABLE) for _ in range(3))
    if clusters is not None:
        passes[: len(picked)], cluster_sizes[: len(picked)] = selection.passes, selection.cluster_sizes
        clusters_of = clusters[rows]
    return Plan(
        rows=rows[order],
        is_control=is_control,
        is_asked=(order >= len(picked)) & ~is_control,
        passes=passes[order],
        clusters=clusters_of[order],
        cluster_sizes=cluster_sizes[order],
        candidates=selection.candidates,
        candidate_factor=candidate_factor,
    )


def _serving_order(
    n_picked: int, n_asked: int, n_control: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the serving order of the concatenated picked, asked and control tasks (n,) int64, and whether each task in
    that order is a control task (n,) bool.

    A task's place must not reveal a control task: control tasks stay at their random places, and the asked tasks take
    the first of the other places.
    """
    order = rng.permutation(n_picked + n_asked + n_control)
    is_control = order >= n_picked + n_asked
    learned = order[~is_control]
    order[~is_control] = learned[np.argsort(learned < n_picked, kind="stable")]
    return order, is_control


def _take_preferred(preferred: np.ndarray | None, rows: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first `most` of the preferred rows that are in `rows`, and the remaining `rows`."""
    if preferred is None or not len(preferred):
        return np.empty(0, rows.dtype), rows
    taken = preferred[np.isin(preferred, rows)][:most]
    return taken, rows[~np.isin(rows, taken)]
