"""BADGE: a batch of items with large gradients of the model's last layer in different directions.

Source: Ash et al. 2020, "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds" (arXiv 1906.03671),
algorithm 1, with k-means++ seeding (Arthur and Vassilvitskii 2007).

The draws happen in rounds. Distances only fall, so a round draws items by their distances at its start, and accepts a
draw with the probability present distance / distance at the start. This rejection sampling draws each item with the
probability that it would have if all distances were updated after each draw. After too many rejected draws, all
distances are updated at once, and the next round begins.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from selector.cluster_margin import Selection
from selector.compiled import compiled, fast, writable
from selector.sharded import Workers
from selector.strategies.pool import PoolArrays, vectors
from selector.strategies.ranked import in_one_pass
from selector.strategies.shards import Shards

# A squared distance smaller than this, relative to the squared lengths that it is the difference of, is rounding.
_ROUNDING = 4e-6
# An error smaller than this, relative to the largest, is as good as none: its products would be subnormal numbers, on
# which processors are many times slower. A sure model's probabilities are full of them.
_DUST = np.float32(1e-18)
# Items whose weights are added up together, so that a draw looks at n / 1024 sums and 1024 items.
_BLOCK = 1024
# A round ends with so many items, or when more draws than these, and than items, did not count.
MOST, WASTED = 512, 32


def pick(
    pool: PoolArrays,
    batch_size: int,
    rng: np.random.Generator,
    progress: Callable[[float], None] | None = None,
    workers: Workers | None = None,
    **_: object,
) -> Selection:
    """Draw `batch_size` items, each with a probability proportional to its squared distance from the nearest drawn
    item.

    The distance is that of gradient embeddings g = a ⊗ h, of errors a and embeddings h, which are never built: |g -
    g'|² = |a|²|h|² + |a'|²|h'|² - 2⟨a, a'⟩⟨h, h'⟩. The first item is drawn uniformly at random, unless the pool has
    centres (embeddings and errors). Once all distances are 0, the remaining items are drawn uniformly. The candidates
    are the whole pool.

    Takes O(n·(d + e)·(k + m)) time for k items and m centres, and O(n) memory beyond the arrays in float32.

    workers: the processes that compute distances; by default, this one. They do not affect the result.

    Raises ValueError if arrays hold no numbers, or if centres do not fit them.
    """
    assert pool.embeddings is not None
    assert pool.errors is not None
    embeddings, errors = vectors(pool.embeddings, "embeddings"), _swept(vectors(pool.errors, "errors"))
    centres = _centres(pool, errors, embeddings)
    rows = _Gradients(errors, embeddings, _lengths(errors, embeddings))
    nearest = np.full(pool.size, np.inf)  # squared distance to the nearest centre
    chosen = np.empty(batch_size, np.int64)
    count = 0
    shards = Shards(rows, batch_size + (0 if centres is None else len(centres.lengths)), workers)
    if centres is not None:
        shards.update(_lowered, nearest, *centres)
    while count < batch_size:
        most = 1 if np.isinf(nearest[0]) else min(MOST, batch_size - count)
        drawn = _round(rows, nearest, most, rng)
        if not len(drawn):
            left = np.ones(pool.size, bool)
            left[chosen[:count]] = False
            chosen[count:] = rng.choice(np.flatnonzero(left), batch_size - count, replace=False)
            break
        chosen[count : count + len(drawn)] = drawn
        count += len(drawn)
        if count < batch_size:
            shards.update(_lowered, nearest, *rows.at(drawn))
        if progress is not None:
            progress(count / batch_size)
    return in_one_pass(chosen, pool)


class _Gradients(NamedTuple):
    """Gradient embeddings: errors (n, e), embeddings (n, d), and |a|²|h|² of each (n,)."""

    errors: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    lengths: NDArray[np.float64]

    def at(self, items: NDArray[np.int64] | slice) -> "_Gradients":
        return _Gradients(self.errors[items], self.embeddings[items], self.lengths[items])


def _centres(pool: PoolArrays, errors: NDArray[np.float32], embeddings: NDArray[np.float32]) -> _Gradients | None:
    if pool.centre_errors is None or pool.centre_embeddings is None:
        return None
    centres = vectors(pool.centre_embeddings, "centre_embeddings", like=embeddings)
    centre_errors = _swept(vectors(pool.centre_errors, "centre_errors", like=errors))
    if len(centres) != len(centre_errors):
        raise ValueError(f"centre_errors must have {len(centres)} rows, not {len(centre_errors)}")
    return _Gradients(centre_errors, centres, _lengths(centre_errors, centres))


def _round(rows: _Gradients, nearest: NDArray[np.float64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the items of a round, up to `most`; none once all distances are 0.

    Sets `nearest` to 0 for drawn items, and updates it for rejected ones. rng: one number for each draw, and after the
    first item a second number, which accepts or rejects the draw.
    """
    sums = np.add.reduceat(nearest, np.arange(0, len(nearest), _BLOCK))
    items, wasted = np.empty(most, np.int64), 0
    drawn = rows.at(items[:0])
    while len(drawn.lengths) < most and wasted <= max(WASTED, len(drawn.lengths)) and sums.any():
        item = _drawn(nearest, sums, rng.random())
        if _counts(rows, nearest, item, drawn, rng):
            items[len(drawn.lengths)], nearest[item] = item, 0
            drawn = rows.at(items[: len(drawn.lengths) + 1])
        else:
            wasted += 1
        block = item // _BLOCK
        sums[block] = nearest[block * _BLOCK : (block + 1) * _BLOCK].sum()
    return items[: len(drawn.lengths)]


def _counts(
    rows: _Gradients, nearest: NDArray[np.float64], item: int, drawn: _Gradients, rng: np.random.Generator
) -> bool:
    """Update the item's distance, and return whether the draw is accepted."""
    if not len(drawn.lengths):
        return True
    one = slice(item, item + 1)
    before = nearest[item]
    nearest[one] = _lowered(*rows.at(one), nearest[one], *drawn)
    return bool(rng.random() * before < nearest[item])


def _lowered(
    errors: NDArray[np.float32],
    embeddings: NDArray[np.float32],
    lengths: NDArray[np.float64],
    nearest: NDArray[np.float64],
    other_errors: NDArray[np.float32],
    other_embeddings: NDArray[np.float32],
    other_lengths: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return `nearest`, lowered to the squared distances to the others."""
    lowered = nearest.copy()
    others = writable(other_errors), writable(other_embeddings), writable(other_lengths)
    _approach(writable(errors), writable(embeddings), writable(lengths), lowered, *others)
    return lowered


def _swept(errors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the errors with 0 for numbers below _DUST, copied only if there are any."""
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
    """Return |a|²|h|² of each row."""
    return np.array(_squares(errors)) * _squares(embeddings)


def _drawn(nearest: NDArray[np.float64], sums: NDArray[np.float64], number: float) -> int:
    """Return the item at the share `number` in [0, 1) of the sum of `nearest`, which is not 0; without centres, any
    item.
    """
    ends = np.cumsum(sums)
    if np.isinf(ends[-1]):
        return int(number * len(nearest))
    block = min(int(np.searchsorted(ends, number * ends[-1], side="right")), int(np.flatnonzero(sums)[-1]))
    weights = nearest[block * _BLOCK : (block + 1) * _BLOCK]
    place = np.searchsorted(np.cumsum(weights), number * ends[-1] - (ends[block] - sums[block]), side="right")
    return block * _BLOCK + min(int(place), int(np.flatnonzero(weights)[-1]))


@fast
def _dot(one: NDArray[np.float32], other: NDArray[np.float32]) -> np.float64:
    total = np.float32(0)
    for column in range(len(one)):
        total += one[column] * other[column]
    return np.float64(total)


@compiled
def _squares(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    squares = np.empty(len(rows))
    for row in range(len(rows)):
        squares[row] = _dot(rows[row], rows[row])
    return squares


@compiled
def _approach(
    errors: NDArray[np.float32],
    embeddings: NDArray[np.float32],
    lengths: NDArray[np.float64],
    nearest: NDArray[np.float64],
    other_errors: NDArray[np.float32],
    other_embeddings: NDArray[np.float32],
    other_lengths: NDArray[np.float64],
) -> None:
    """Lower `nearest` to the squared distances to the others."""
    roots = np.sqrt(other_lengths)
    for row in range(len(nearest)):
        length, least = lengths[row], nearest[row]
        root = np.sqrt(length)
        for other in range(len(roots)):
            apart = root - roots[other]
            # Two vectors are at least as far apart as their lengths differ.
            if apart * apart < least:
                product = _dot(errors[row], other_errors[other]) * _dot(embeddings[row], other_embeddings[other])
                both = length + other_lengths[other]
                distance = both - 2 * product
                if distance < _ROUNDING * both:
                    distance = 0.0
                least = min(least, distance)
        nearest[row] = least
