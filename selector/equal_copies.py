"""Make tasks of all kinds show equally many near-copies, though some kinds have more than others.

A law holds the share of numbers that are at least 0, 1, …, `most`: (most + 1,) shares that begin with 1 and never rise.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENOUGH = 30
"""The fewest numbers whose law is used as it is."""

Law = NDArray[np.float64]


def law_of(numbers: NDArray[np.int64], most: int) -> Law:
    """Return the law of n >= 1 numbers, (n,). Numbers above `most` count as `most`.

    >>> law_of(np.array([0, 2, 2, 9]), 3).tolist()
    [1.0, 0.75, 0.75, 0.25]
    """
    if numbers.ndim != 1 or not len(numbers) or numbers.min() < 0:
        raise ValueError("numbers must be one row of one or more whole numbers, none below 0")
    return np.asarray((numbers[:, None] >= np.arange(most + 1)).mean(axis=0))


def filled_up(law: Law, n: int, rest: Law) -> Law:
    """Return the law of `n` numbers; numbers of the law `rest` fill up fewer than ENOUGH numbers.

    >>> filled_up(np.array([1.0, 0.0]), 3, np.array([1.0, 0.5])).tolist()
    [1.0, 0.45]
    """
    weight = min(1.0, n / ENOUGH)
    return weight * law + (1 - weight) * rest


def lowest(laws: Sequence[Law]) -> Law:
    """Return the greatest law that exceeds none of these.

    >>> lowest([np.array([1.0, 0.5, 0.1]), np.array([1.0, 0.4, 0.3])]).tolist()
    [1.0, 0.4, 0.1]
    """
    return np.asarray(np.min(np.stack(laws), axis=0))


def shown_alike(numbers: NDArray[np.int64], law: Law, target: Law, chance: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of near-copies that each task shows, so that the numbers of all tasks have the law `target`.

    A task that has as many near-copies as some quantile of `law` shows the same quantile of `target`. Tasks with equal
    numbers share a range of quantiles, in which `chance` places each. If the two laws are equal, each task shows all
    its near-copies.

    Parameters
    ----------
    numbers : ndarray of shape (n,), int64
        Near-copies that each task has.
    law : ndarray of shape (most + 1,)
        The law of the numbers of all tasks of the same kind.
    target : ndarray of shape (most + 1,)
        Where it exceeds `law`, there are too few near-copies, and tasks show all that they have.
    chance : ndarray of shape (n,)
        Uniform in [0, 1).

    Returns
    -------
    ndarray of shape (n,), int64
        None above `numbers`.

    Examples
    --------
    >>> law, target = np.array([1.0, 0.5, 0.5]), np.array([1.0, 0.5, 0.25])
    >>> shown_alike(np.array([0, 2, 2]), law, target, np.array([0.0, 0.2, 0.7])).tolist()
    [0, 2, 1]
    """
    shares = np.append(law, 0.0)
    numbers = np.minimum(numbers, len(law) - 1)
    # The share of the kind's tasks that come before this task, the tasks with the most near-copies first.
    before = shares[numbers + 1] + chance * (shares[numbers] - shares[numbers + 1])
    shown: Any = (target[None, 1:] > before[:, None]).sum(axis=1)
    return np.asarray(np.minimum(shown, numbers))
