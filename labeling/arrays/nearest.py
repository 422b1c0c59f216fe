"""The rows of a matrix that are most like one of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Rows are read in blocks that fit a processor's cache.
BLOCK_NUMBERS = 1 << 20
# A million rows of 64: some tens of milliseconds. Of more, blocks are read that are spread evenly over all of them.
MOST_NUMBERS = 64_000_000


@dataclass(frozen=True, slots=True)
class Nearest:
    """`rows`: the most alike first. `compared`: how many rows were looked at."""

    rows: list[int]
    compared: int


def nearest(matrix: np.ndarray, row: int, k: int) -> Nearest:
    """The `k` rows of `matrix` (n, d) whose directions are nearest to that of `row`, which is not among them.

    Compared by the cosine, as the clustering does; of two that are as near, the first comes first. The matrix may be a
    memory map: no more than a block of it is held, and about `MOST_NUMBERS` of its numbers are read at most.
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
            # By number among those that are level, so that a page and the next one agree.
            least = np.partition(likeness, -k - 1)[-k - 1]
            kept = np.flatnonzero(likeness >= least)
            kept = kept[np.lexsort((rows[kept], -likeness[kept]))][: k + 1]
            rows, likeness = rows[kept], likeness[kept]
    order = np.lexsort((rows, -likeness))
    return Nearest([int(each) for each in rows[order] if each != row][:k], compared)


def _starts(matrix: np.ndarray, size: int) -> list[int]:
    """Where blocks of so many rows begin: all of them, or some that are spread evenly."""
    starts = np.arange(0, len(matrix), size)
    affordable = max(1, MOST_NUMBERS // (size * max(1, matrix.shape[1])))
    if len(starts) > affordable:
        starts = starts[np.linspace(0, len(starts) - 1, affordable).round().astype(int)]
    return [int(start) for start in starts]
