"""Choose the replacement for an item that all its annotators skipped. Arrays only: no database."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labeling.storage.arrays.batch_plan import Pool


def choose_rows(
    pool: Pool,
    skipped: Sequence[tuple[int, bool]],
    *,
    taken: np.ndarray,
    has_control: bool,
    margins: np.ndarray | None,
    clusters: np.ndarray | None,
) -> list[int]:
    """Choose a row of the pool for each skipped task, in their order; fewer if the pool does not suffice.

    The next item of the reserved items' permutation replaces a control task. The permutation was fixed before the first
    answer, so the control slice stays a uniform draw. Skipped items give no label: the control slice measures the
    accuracy on items that people can answer, and the skips count the others.

    The item of the same cluster with the nearest margin replaces any other task; if the cluster is used up, an item of
    the clusters with the fewest items in the batch, as in the next pass of the selection. Without margins no
    model picked the batch, and the next item of the permutation is the replacement.

    In a batch with control tasks, replacing ends when either kind of item runs out: whether a skip is replaced must
    tell annotators nothing about the task.

    Parameters
    ----------
    pool : Pool
    skipped : sequence of (int, bool)
        For each skipped task, its row and whether it is a control task.
    taken : ndarray of shape (k,), int64
        The rows of the batch.
    has_control : bool
        Whether the batch has control tasks.
    margins : ndarray of shape (rows,), float, or None
    clusters : ndarray of shape (rows,), int64, or None
        The cluster of each row at the cut of the batch.
    """
    order = np.argsort(pool.control_keys, kind="stable")
    control = pool.rows[order[pool.reserved[order]]].tolist()
    others = pool.rows[order[~pool.reserved[order]]]
    uses = np.bincount(clusters[taken], minlength=int(clusters.max()) + 1) if clusters is not None else None
    chosen: list[int] = []
    for row, is_control in skipped:
        if not len(others) or (has_control and not control):
            break
        if is_control:
            chosen.append(control.pop(0))
            continue
        at = _nearest(others, row, margins=margins, clusters=clusters, uses=uses)
        chosen.append(int(others[at]))
        if clusters is not None and uses is not None:
            uses[clusters[others[at]]] += 1
        others = np.delete(others, at)
    return chosen


def _nearest(
    rows: np.ndarray, row: int, *, margins: np.ndarray | None, clusters: np.ndarray | None, uses: np.ndarray | None
) -> int:
    """Return the index in `rows` of the best replacement for `row`."""
    if margins is None or row >= len(margins):  # a gold item encoded after the model's predictions
        return 0
    among = np.arange(len(rows))
    if clusters is not None and uses is not None:
        same = among[clusters[rows] == clusters[row]]
        if len(same):
            among = same
        else:
            often = uses[clusters[rows]]
            among = among[often == often.min()]
    return int(among[np.argmin(np.abs(margins[rows[among]] - margins[row]))])
