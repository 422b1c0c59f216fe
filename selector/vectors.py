"""One form for both metrics, in which the average distance of two clusters is a single product.

With h(a) = |a|²/2, half the squared Euclidean distance of two rows is h(a) + h(b) - <a, b>. That is linear in
either row, so its mean over all pairs of two clusters A and B is

    mean h(A) + mean h(B) - <mean A, mean B>

and one mean row with one mean h a cluster is all that average linkage needs. On rows of unit length it is the
cosine distance 1 - <a, b>; for squared Euclidean it is to be doubled.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

METRICS = ("cosine", "sqeuclidean")

_SCALE = {"cosine": 1.0, "sqeuclidean": 2.0}

_BLOCK = 1 << 16  # rows
_SAMPLE = 10_000  # rows that the centre of many is the median of

# Two sums of products that differ by less than this share of their size differ by rounding alone.
_ROUNDING = 1e-13


def check_metric(metric: str) -> str:
    """Return `metric`, or raise ValueError listing the known ones."""
    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}; known: {', '.join(METRICS)}")
    return metric


def prepare(
    rows: NDArray[Any],
    metric: str,
    *,
    name: str,
    first_row: int = 0,
    centre: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Convert rows of any real dtype to vectors and their half squared norms.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Not changed.
    metric : "cosine" or "sqeuclidean"
    name, first_row : str, int
        For messages: the name of the argument, and the place of rows[0] in it.
    centre : ndarray of shape (d,), optional
        For "sqeuclidean": subtracted before squaring, which preserves the digits of points far from the origin and
        does not change distances. By default, the median of the rows, which a few far rows do not move.

    Returns
    -------
    vectors : ndarray of shape (n, d), or (n, d + 1) for "cosine", float64
    halves : ndarray of shape (n,), float64

    Raises
    ------
    ValueError
        If a value or its square is not finite.
    """
    vectors = np.array(rows, dtype=np.float64)
    unfit = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    _refuse(unfit, f"{name} holds a value that is not a finite number", first_row)
    with np.errstate(over="ignore", invalid="ignore"):
        if metric == "cosine":
            vectors = _unit_rows(vectors)
        elif len(vectors):
            vectors -= np.median(vectors, axis=0) if centre is None else centre
        halves = np.einsum("ij,ij->i", vectors, vectors) / 2
    _refuse(np.flatnonzero(~np.isfinite(halves)), f"{name} holds a value too large to square", first_row)
    return vectors, halves


def prepare_in_blocks(rows: NDArray[Any], metric: str, *, name: str) -> tuple[NDArray[np.float32], float]:
    """Convert n >= 1 rows as `prepare` does, but to float32 and block by block.

    Returns vectors (n, d), or (n, d + 1) for cosine if a row is all zero, and the factor that restores their squared
    distances: for squared Euclidean distances, the vectors are scaled to fit float32.
    """
    if metric == "cosine":
        return _unit_rows_in_blocks(rows, name), 1.0
    centre = np.median(np.asarray(rows[:: max(len(rows) // _SAMPLE, 1)], dtype=np.float64), axis=0)
    largest = 0.0
    for _, block, _ in _prepared(rows, metric, name, centre):
        largest = max(largest, float(np.abs(block).max(initial=0.0)))
    scale = 2.0 ** np.frexp(largest)[1]  # exact to divide by
    vectors = np.empty(rows.shape, np.float32)
    for start, block, _ in _prepared(rows, metric, name, centre):
        vectors[start : start + len(block)] = block / scale
    return vectors, scale * scale


def _unit_rows_in_blocks(rows: NDArray[Any], name: str) -> NDArray[np.float32]:
    vectors = np.empty(rows.shape, np.float32)
    zero = []
    for start, block, _ in _prepared(rows, "cosine", name, None):
        vectors[start : start + len(block)] = block[:, :-1]
        zero.append(block[:, -1] != 0)
    if not np.any(all_zero := np.concatenate(zero)):
        return vectors
    return np.column_stack([vectors, all_zero.astype(np.float32)])


def _prepared(
    rows: NDArray[Any], metric: str, name: str, centre: NDArray[np.float64] | None
) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield (first row, vectors, halves) for each block."""
    for start in range(0, len(rows), _BLOCK):
        yield start, *prepare(rows[start : start + _BLOCK], metric, name=name, first_row=start, centre=centre)


def in_unit(half_distances: NDArray[np.float64], metric: str) -> NDArray[np.float64]:
    """Convert half distances to the metric's own unit."""
    return half_distances * _SCALE[metric]


def distance(half_distance: float, halves: float, metric: str) -> float:
    """Convert a half distance to the metric's own unit; 0 if it is within the rounding error of `halves`, its two
    terms.
    """
    return 0.0 if half_distance <= _ROUNDING * halves else float(_SCALE[metric] * half_distance)


def _unit_rows(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale each row, in place, to unit length; return the rows with a further column that is 1 for all-zero rows.

    A zero row has no direction. The further column gives it distance 1 from every other row and 0 from other zero rows,
    so that all zero rows end in one cluster.
    """
    largest = np.maximum(vectors.max(axis=1, initial=0.0), -vectors.min(axis=1, initial=0.0))
    zero = largest == 0
    vectors /= np.where(zero, 1.0, largest)[:, None]  # from here on squares neither overflow nor vanish
    vectors /= np.where(zero, 1.0, np.linalg.norm(vectors, axis=1))[:, None]
    return np.column_stack([vectors, zero])


def _refuse(rows: NDArray[np.intp], complaint: str, first_row: int) -> None:
    if len(rows):
        raise ValueError(f"{complaint} (row {first_row + int(rows[0])})")
