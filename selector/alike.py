"""Numbers of near-copies that are shown alike: tasks of some kinds have more near-copies than tasks of others, and all
show as many as if they had the same.

A law says how often a number is at least 0, 1, …, `most`: (most + 1,) shares that begin with 1 and never rise.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENOUGH = 30
"""From so many numbers on, a law stands for itself."""

Law = NDArray[np.float64]


def law_of(numbers: NDArray[np.int64], most: int) -> Law:
    """The law of one or more numbers (n,). What exceeds `most` counts as `most`.

    >>> law_of(np.array([0, 2, 2, 9]), 3).tolist()
    [1.0, 0.75, 0.75, 0.25]
    """
    if numbers.ndim != 1 or not len(numbers) or numbers.min() < 0:
        raise ValueError("numbers must be one row of one or more whole numbers, none below 0")
    return np.asarray((numbers[:, None] >= np.arange(most + 1)).mean(axis=0))


def filled_up(law: Law, n: int, rest: Law) -> Law:
    """The law of `n` numbers and, if these are fewer than ENOUGH, of as many from the law `rest` as are missing.

    >>> filled_up(np.array([1.0, 0.0]), 3, np.array([1.0, 0.5])).tolist()
    [1.0, 0.45]
    """
    weight = min(1.0, n / ENOUGH)
    return weight * law + (1 - weight) * rest


def lowest(laws: Sequence[Law]) -> Law:
    """The greatest law that exceeds none of these.

    >>> lowest([np.array([1.0, 0.5, 0.1]), np.array([1.0, 0.4, 0.3])]).tolist()
    [1.0, 0.4, 0.1]
    """
    return np.asarray(np.min(np.stack(laws), axis=0))


def shown_alike(numbers: NDArray[np.int64], law: Law, target: Law, chance: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many of its near-copies each task shows, so that those numbers have the law `target`.

    numbers: (n,) how many near-copies each task has.
    law: the law of the numbers of all tasks of the same kind.
    target: where it exceeds `law`, there are too few near-copies, and tasks show all that they have.
    chance: (n,) uniform in [0, 1).
    Returns (n,) whole numbers, none above `numbers`: the same quantile of `target` as the task's number is of `law`.
    Tasks with equal numbers share a range of quantiles, and chance says where in it each is. Where the two laws are the
    same, nothing is taken away.

    >>> law, target = np.array([1.0, 0.5, 0.5]), np.array([1.0, 0.5, 0.25])
    >>> shown_alike(np.array([0, 2, 2]), law, target, np.array([0.0, 0.2, 0.7])).tolist()
    [0, 2, 1]
    """
    shares = np.append(law, 0.0)
    numbers = np.minimum(numbers, len(law) - 1)
    # Which part of all tasks of the kind comes before this one, if those with the most near-copies come first.
    before = shares[numbers + 1] + chance * (shares[numbers] - shares[numbers + 1])
    shown: Any = (target[None, 1:] > before[:, None]).sum(axis=1)
    return np.asarray(np.minimum(shown, numbers))
