"""BADGE: a batch of items that would each move the model's last layer far, and in different directions.

Source: Ash et al. 2020, "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds" (arXiv 1906.03671),
algorithm 1, with k-means++ seeding (Arthur and Vassilvitskii 2007).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from selector.compiled import compiled, fast
from selector.strategies.pool import PoolArrays, vectors

# A squared distance smaller than this, relative to the squared lengths that it is the difference of, is rounding.
_ROUNDING = 4e-6
# An error smaller than this, relative to the largest, is as good as none: its products would be subnormal numbers, on
# which processors are many times slower. A sure model's probabilities are full of them.
_DUST = np.float32(1e-18)
# Items whose weights are added up together, so that a draw looks at n / 1024 sums and 1024 items.
_BLOCK = 1024


def pick(
    pool: PoolArrays, batch_size: int, rng: np.random.Generator, progress: Callable[[float], None] | None = None
) -> NDArray[np.int64]:
    """Draw `batch_size` items, each likelier by its squared distance from the nearest drawn before.

    The distance is that of gradient embeddings g = a ⊗ h, of errors a and embeddings h. They are never built:
    |g - g'|² = |a|²|h|² + |a'|²|h'|² - 2⟨a, a'⟩⟨h, h'⟩. The first item is drawn uniformly at random, unless there are
    centres (with both embeddings and errors) to start from. Once all are at 0, the others are drawn uniformly.
    rng: one number a draw, then what is left in one go.
    Takes O(n·(d + e)·(k + m)) time for k items and m centres, and O(n) memory beyond the arrays in float32.
    Raises ValueError on arrays that hold no numbers, or centres that do not fit them.
    """
    assert pool.embeddings is not None
    assert pool.errors is not None
    embeddings, errors = vectors(pool.embeddings, "embeddings"), _swept(vectors(pool.errors, "errors"))
    lengths = _lengths(errors, embeddings)
    nearest = np.full(pool.size, np.inf)  # squared distance to the nearest centre
    sums = np.full(-(-pool.size // _BLOCK), np.inf)
    if pool.centre_errors is not None and pool.centre_embeddings is not None:
        centres = vectors(pool.centre_embeddings, "centre_embeddings", like=embeddings)
        centre_errors = _swept(vectors(pool.centre_errors, "centre_errors", like=errors))
        if len(centres) != len(centre_errors):
            raise ValueError(f"centre_errors must have {len(centres)} rows, not {len(centre_errors)}")
        for error, centre, length in zip(centre_errors, centres, _lengths(centre_errors, centres), strict=True):
            _approach(errors, embeddings, lengths, error, centre, length, nearest, sums)
    chosen = np.empty(batch_size, np.int64)
    for count in range(batch_size):
        item = _drawn(nearest, sums, rng.random())
        if item < 0:
            left = np.ones(pool.size, bool)
            left[chosen[:count]] = False
            chosen[count:] = rng.choice(np.flatnonzero(left), batch_size - count, replace=False)
            break
        chosen[count] = item
        nearest[item] = 0
        _approach(errors, embeddings, lengths, errors[item], embeddings[item], lengths[item], nearest, sums)
        if progress is not None:
            progress((count + 1) / batch_size)
    return chosen


def _swept(errors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The errors with 0 for _DUST, copied if there is any."""
    blocks = range(0, len(errors), _BLOCK)
    least = _DUST * max((np.abs(errors[start : start + _BLOCK]).max(initial=0) for start in blocks), default=0)
    swept = errors
    for start in blocks:
        block = errors[start : start + _BLOCK]
        dust = (block != 0) & (np.abs(block) < least)
        if dust.any():
            swept = errors.copy() if swept is errors else swept
            swept[start : start + _BLOCK][dust] = 0
    return swept


def _lengths(errors: NDArray[np.float32], embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
    """|a|²|h|² of each row."""
    return np.array(_squares(errors)) * _squares(embeddings)


def _drawn(nearest: NDArray[np.float64], sums: NDArray[np.float64], number: float) -> int:
    """The item at `number` in [0, 1) of the sum of `nearest`; -1 if that sum is 0. Without centres, any item."""
    ends = np.cumsum(sums)
    if np.isinf(ends[-1]):
        return int(number * len(nearest))
    if ends[-1] <= 0:
        return -1
    block = min(int(np.searchsorted(ends, number * ends[-1], side="right")), int(np.flatnonzero(sums)[-1]))
    weights = nearest[block * _BLOCK : (block + 1) * _BLOCK]
    place = np.searchsorted(np.cumsum(weights), number * ends[-1] - (ends[block] - sums[block]), side="right")
    return block * _BLOCK + min(int(place), int(np.flatnonzero(weights)[-1]))


@fast
def _dot(one, other):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for column in range(len(one)):
        total += one[column] * other[column]
    return np.float64(total)


@compiled
def _squares(rows):  # type: ignore[no-untyped-def]
    squares = np.empty(len(rows))
    for row in range(len(rows)):
        squares[row] = _dot(rows[row], rows[row])
    return squares


@compiled
def _approach(errors, embeddings, lengths, error, embedding, length, nearest, sums):  # type: ignore[no-untyped-def]
    """Lower `nearest` to the squared distances to a new centre, and add them up by blocks in `sums`."""
    root = np.sqrt(length)
    for block in range(len(sums)):
        total = 0.0
        for row in range(block * _BLOCK, min((block + 1) * _BLOCK, len(nearest))):
            apart = np.sqrt(lengths[row]) - root
            # Two vectors are at least as far apart as their lengths differ.
            if apart * apart < nearest[row]:
                product = _dot(errors[row], error) * _dot(embeddings[row], embedding)
                distance = lengths[row] + length - 2 * product
                if distance < _ROUNDING * (lengths[row] + length):
                    distance = 0.0
                nearest[row] = min(nearest[row], distance)
            total += nearest[row]
        sums[block] = total
