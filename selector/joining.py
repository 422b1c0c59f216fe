"""New items join an existing clustering: each goes to the cluster of the old item that is nearest to it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selector.checks import real_rows
from selector.vectors import check_metric, prepare

# Rows looked at together. A block of distances takes 32 MiB, whatever the sizes of the arrays.
_NEW_ROWS = 512
_OLD_ROWS = 8192


def nearest(new: ArrayLike, old: ArrayLike, *, metric: str = "cosine") -> NDArray[np.int64]:
    """The row of `old` that is nearest to each row of `new`, (m,) int64.

    new: (m, d), old: (n, d), real numbers of any dtype, memory maps included; never changed.
    metric: "cosine" or "sqeuclidean", as for `linkage.average_linkage`.

    Takes O(m·n·d) time in blocked matrix products. Memory beyond the result is bounded by the blocks: about
    32 MiB and 9,000 rows in float64. Of equally near rows one is given, always the same for the same input.
    Raises ValueError on an unknown metric, shapes that do not fit, a NaN or infinite value, or an empty `old`
    when there is something to place.

    >>> nearest([[2, 2], [0, -1]], [[1, 0], [1, 1], [1, -3]]).tolist()
    [1, 2]
    """
    check_metric(metric)
    new_rows, old_rows = real_rows(new, "new"), real_rows(old, "old")
    if not len(new_rows):
        return np.empty(0, dtype=np.int64)
    if not len(old_rows):
        raise ValueError("old must hold at least one row for new items to join")
    if new_rows.shape[1] != old_rows.shape[1]:
        raise ValueError(f"new has {new_rows.shape[1]} columns and old has {old_rows.shape[1]}")
    return np.concatenate(
        [
            _nearest_of_block(new_rows[start : start + _NEW_ROWS], start, old_rows, metric)
            for start in range(0, len(new_rows), _NEW_ROWS)
        ]
    )


def _nearest_of_block(new: NDArray[Any], first_row: int, old: NDArray[Any], metric: str) -> NDArray[np.int64]:
    # Distances do not depend on the centre; near the new rows, they keep their digits best.
    centre = np.median(new.astype(np.float64), axis=0)
    points, _ = prepare(new, metric, name="new", first_row=first_row, centre=centre)
    best = np.full(len(new), np.inf)
    rows = np.zeros(len(new), dtype=np.int64)
    for start in range(0, len(old), _OLD_ROWS):
        others, halves = prepare(old[start : start + _OLD_ROWS], metric, name="old", first_row=start, centre=centre)
        distances = points @ others.T
        np.subtract(halves, distances, out=distances)  # less half the new row's squared norm, equal for all
        found = distances.argmin(axis=1)
        lowest = distances[np.arange(len(new)), found]
        nearer = lowest < best
        best[nearer] = lowest[nearer]
        rows[nearer] = start + found[nearer]
    return rows
