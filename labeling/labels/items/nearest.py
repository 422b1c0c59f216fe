"""Find the rows of a matrix that are most similar to one of its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Rows are read in blocks that fit a processor's cache.
BLOCK_NUMBERS = 1 << 20
# A million rows of 64 numbers take some tens of milliseconds. Of a larger matrix, evenly spread blocks are read.
MOST_NUMBERS = 64_000_000


@dataclass(frozen=True, slots=True)
class Nearest:
    """The rows most similar to a row, the most similar first, and the number of rows `compared`."""

    rows: list[int]
    compared: int


def nearest(matrix: np.ndarray, row: int, k: int) -> Nearest:
    """Find the rows of a matrix with the largest cosine to one row. Takes O(n d) time up to `MOST_NUMBERS` numbers.

    Parameters
    ----------
    matrix : ndarray of shape (n, d), float
        May be a memory map: the function holds one block at a time, and reads at most about `MOST_NUMBERS` numbers.
    row : int
        The row to compare with; not part of the result.
    k : int
        The most rows to return. Rows with the same cosine come in ascending order.

    Returns
    -------
    Nearest
    """
    target = np.asarray(matrix[row], np.float32)
    size = max(1, BLOCK_NUMBERS // max(1, matrix.shape[1]))
    rows, likeness, compared = np.empty(0, np.int64), np.empty(0, np.float32), 0
    for start in _starts(matrix, size):
        block = np.asarray(matrix[start : start + size], np.float32)
        lengths = np.sqrt(np.einsum("ij,ij->i", block, block))
        here = block @ target / np.where(lengths > 0, lengths, 1)
        compared += len(block)
        rows = np.concatenate([rows, np.arange(start, start + len(block))])
        likeness = np.concatenate([likeness, here])
        if len(rows) > k + 1:  # one more, for the row itself
            # Ties by row number, so that consecutive pages agree.
            least = np.partition(likeness, -k - 1)[-k - 1]
            kept = np.flatnonzero(likeness >= least)
            kept = kept[np.lexsort((rows[kept], -likeness[kept]))][: k + 1]
            rows, likeness = rows[kept], likeness[kept]
    order = np.lexsort((rows, -likeness))
    return Nearest([int(each) for each in rows[order] if each != row][:k], compared)


def _starts(matrix: np.ndarray, size: int) -> list[int]:
    """Return the first rows of the blocks to read: all blocks of `size` rows, or evenly spread ones of a large
    matrix.
    """
    starts = np.arange(0, len(matrix), size)
    affordable = max(1, MOST_NUMBERS // (size * max(1, matrix.shape[1])))
    if len(starts) > affordable:
        starts = starts[np.linspace(0, len(starts) - 1, affordable).round().astype(int)]
    return [int(start) for start in starts]
