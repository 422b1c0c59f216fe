"""New items join an existing clustering: each goes to the cluster of the old item that is nearest to it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selector import sharded
from selector.checks import real_rows, whole_number
from selector.compiled import Threads
from selector.neighbours import search_trees
from selector.sharded import Workers
from selector.vectors import check_metric, prepare, prepare_in_blocks

_ALL_PAIRS = 4_000_000_000
"""The most pairs of rows that are all compared, which takes a minute or two. For more, trees find near rows."""
_KEPT = 8  # neighbours of each row, among whose own neighbours the search goes on
_SAMPLE = 1 << 16  # old rows that rows are compared with which no tree has brought together with any

# Rows looked at together. A block of distances takes 32 MiB, whatever the sizes of the arrays.
_NEW_ROWS = 512
_OLD_ROWS = 8192
# Pairs of rows. Fewer are looked at in less time than it takes to tell other processes.
_WORTH_SHARING = 100_000_000


def nearest(
    new: ArrayLike, old: ArrayLike, *, metric: str = "cosine", seed: int = 0, workers: Workers | None = None
) -> NDArray[np.int64]:
    """Find the row of `old` that is nearest to each row of `new`.

    Up to 4·10⁹ pairs are all compared, in O(m·n·d) time and about 32 MiB and 9,000 rows in float64. For more pairs, the
    search of `neighbours` finds a row that is nearest or hardly farther, in O((m + n)·log(m + n)·d) time and about
    (d + max(d, 40)) · 4 · (m + n) bytes. Among equally near rows, the same input gives the same row on a machine.

    Parameters
    ----------
    new, old : array-like of shape (m, d) and (n, d)
        Real numbers of any dtype. Memory maps are read in blocks.
    metric : "cosine" or "sqeuclidean"
        As for `linkage.average_linkage`.
    seed : int
        Seed of the search for neighbours.
    workers : Workers, optional
        Other processes that search. The result is the same.

    Returns
    -------
    ndarray of shape (m,), int64
        Row numbers in `old`.

    Raises
    ------
    ValueError
        If the metric is unknown, the shapes do not fit, a value is not finite, or `old` is empty and `new` is not.

    Examples
    --------
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
    if len(new_rows) * len(old_rows) > _ALL_PAIRS:
        return _nearest_by_trees(new_rows, old_rows, metric, whole_number(seed, "seed", least=0), workers)
    if workers is None or len(new_rows) * len(old_rows) < _WORTH_SHARING:
        return _nearest_of_all(new_rows, old_rows, metric)
    shared = workers.share(old_rows)
    calls = (
        (new_rows[first : first + _NEW_ROWS], first, shared, metric) for first in range(0, len(new_rows), _NEW_ROWS)
    )
    return np.concatenate(list(workers.map(nearest_of_shard, calls)))


def nearest_of_shard(new_rows: NDArray[Any], first_row: int, old_rows: NDArray[Any], metric: str) -> NDArray[np.int64]:
    """Find the nearest rows as `nearest` does, comparing all pairs, for new rows from `first_row` of the whole on."""
    return _nearest_of_all(new_rows, old_rows, metric, first_row)


def _nearest_of_all(
    new_rows: NDArray[Any], old_rows: NDArray[Any], metric: str, first_row: int = 0
) -> NDArray[np.int64]:
    return np.concatenate(
        [
            _nearest_of_block(new_rows[start : start + _NEW_ROWS], first_row + start, old_rows, metric)
            for start in range(0, len(new_rows), _NEW_ROWS)
        ]
    )


def _nearest_by_trees(
    new: NDArray[Any], old: NDArray[Any], metric: str, seed: int, workers: Workers | None
) -> NDArray[np.int64]:
    points, _ = prepare_in_blocks(np.concatenate([new, old]), metric, name="new and old rows together")
    ids = np.full((len(points), _KEPT), -1, np.int32)
    spread = np.zeros(len(points), np.float32)
    spread[: len(new)] = np.inf  # new rows are nobody's neighbours
    if workers is None:
        gaps = np.full(ids.shape, np.inf, np.float32)
        with Threads() as threads:
            search_trees(points, spread, ids, gaps, seed, threads, lambda share: None, refined=len(new))
    else:
        ids, _ = sharded.search_trees(points, spread, _KEPT, seed=seed, workers=workers, refined=len(new))
    nearest = ids[: len(new), 0].astype(np.int64) - len(new)
    alone = np.flatnonzero(ids[: len(new), 0] < 0)
    if len(alone):
        sample = np.sort(np.random.default_rng(seed).choice(len(old), min(_SAMPLE, len(old)), replace=False))
        nearest[alone] = sample[_nearest_of_all(new[alone], old[sample], metric)]
    return nearest


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
        nearest = distances.argmin(axis=1)
        lowest = distances[np.arange(len(new)), nearest]
        nearer = lowest < best
        best[nearer] = lowest[nearer]
        rows[nearer] = start + nearest[nearer]
    return rows
