"""Which item takes the place of one that everybody skipped. Arrays only: no database."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labeling.arrays.plan import Pool


def choose_rows(
    pool: Pool,
    skipped: Sequence[tuple[int, bool]],
    *,
    taken: np.ndarray,
    has_control: bool,
    margins: np.ndarray | None,
    clusters: np.ndarray | None,
) -> list[int]:
    """A row of the pool for each skipped task, in their order; fewer if the pool does not suffice.

    `skipped`: row and whether it is a control task; `taken`: the rows of the batch; `has_control`: whether
    there are control tasks in it. The arrays are indexed by row.

    A control task is replaced by the next of the reserved items' permutation, as every control item is drawn: that
    order was fixed before anybody saw an item, so the control slice stays a uniform draw. A skipped item itself gives
    no label, with a replacement or without: what is measured is the accuracy on items that can be answered, and how
    many could not is counted among the skips.

    Others are replaced by the item of their cluster with the nearest margin; if there is none left, by one of the
    clusters that the batch has fewest items of, as the next pass of the selection would. Without margins all was drawn
    by chance, and the replacement is too: by the next of the permutation.

    With control tasks in the batch, none is replaced once either kind has run out: who sees that a skip is replaced, or
    is not, must learn nothing of the task.
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
    """The place among `rows` of the one that comes nearest to this row."""
    if margins is None or row >= len(margins):  # a gold item may have been encoded since the model looked at the pool
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
