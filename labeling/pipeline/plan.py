"""What goes into a batch: the control slice at random, the rest by the project's strategy. Arrays only: no database."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selector.strategies import pick

# The first batch, before there is a model: uniform.
SEED = "seed"
NOT_APPLICABLE = -1


@dataclass(frozen=True, slots=True)
class Pool:
    """The unlabeled items: rows (n,), which of them are reserved for control (n,) bool, and their order keys (n,)."""

    rows: np.ndarray
    reserved: np.ndarray
    control_keys: np.ndarray


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch in the order in which it is served. All arrays (k,); NOT_APPLICABLE where a control item has none."""

    rows: np.ndarray
    is_control: np.ndarray
    passes: np.ndarray
    clusters: np.ndarray
    cluster_sizes: np.ndarray
    candidates: int


def plan_batch(
    pool: Pool,
    *,
    batch_size: int,
    control_share: float,
    strategy: str,
    candidate_factor: float,
    margins: np.ndarray | None,
    clusters: np.ndarray | None,
    rng: np.random.Generator,
) -> Plan:
    """Decide what goes into a batch. Pure: same input and generator state, same plan.

    `margins` and `clusters` are indexed by row; the strategy "seed" needs neither, "margin" no clusters. The
    control slice comes from the front of the reserved items' permutation. Reserved items are picked otherwise only
    when nothing else is left, and then they are control items all the same.
    """
    reserved = np.flatnonzero(pool.reserved)
    reserved = reserved[np.argsort(pool.control_keys[reserved], kind="stable")]
    others = np.flatnonzero(~pool.reserved)
    n_control = min(len(reserved), round(control_share * batch_size))
    n_control = max(n_control, min(len(reserved), batch_size - len(others)))
    control = pool.rows[reserved[:n_control]]
    open_rows = pool.rows[others]
    selection = pick(
        "uniform" if strategy == SEED else strategy,
        margins=margins[open_rows] if margins is not None else np.zeros(len(open_rows), np.float32),
        clusters=clusters[open_rows] if clusters is not None else np.zeros(len(open_rows), np.int64),
        batch_size=min(batch_size - n_control, len(open_rows)),
        candidate_factor=candidate_factor,
        rng=rng,
    )
    rows = np.concatenate([open_rows[selection.indices], control])
    n_picked = len(selection.indices)
    passes = np.full(len(rows), NOT_APPLICABLE)
    cluster_sizes = np.full(len(rows), NOT_APPLICABLE)
    if clusters is not None:
        passes[:n_picked] = selection.passes
        cluster_sizes[:n_picked] = selection.cluster_sizes
    # Nobody may see from a task's place whether it is a control task.
    order = rng.permutation(len(rows))
    return Plan(
        rows=rows[order],
        is_control=order >= n_picked,
        passes=passes[order],
        clusters=clusters[rows[order]] if clusters is not None else np.full(len(rows), NOT_APPLICABLE),
        cluster_sizes=cluster_sizes[order],
        candidates=selection.candidates,
    )
