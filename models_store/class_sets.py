"""The targets of "multi", sparse: as booleans, a million items with 20,000 classes take 20 GB."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class ClassSets:
    """The classes of n items: a sparse boolean matrix of shape (n, n_classes). Takes O(n + m) memory.

    Parameters
    ----------
    classes : ndarray of shape (m,), int32
        The classes of the first item, of the second item, and so on.
    starts : ndarray of shape (n + 1,), int64
        Where the classes of each item begin; the last number is m.
    n_classes : int

    Examples
    --------

    >>> sets = ClassSets.of([[2], [], [0, 1]], 3)
    >>> sets.dense(np.array([2, 0])).astype(int).tolist()
    [[1, 1, 0], [0, 0, 1]]
    >>> sets.count().tolist()
    [1, 1, 1]
    """

    classes: NDArray[np.int32]
    starts: NDArray[np.int64]
    n_classes: int

    @classmethod
    def of(cls, sets: Sequence[Sequence[int]], n_classes: int) -> "ClassSets":
        """Make the class sets from the classes of each item, from 0 to n_classes - 1 and without duplicates."""
        sizes = np.fromiter((len(each) for each in sets), np.int64, len(sets))
        starts = np.concatenate([[0], np.cumsum(sizes)])
        classes = np.fromiter((index for each in sets for index in each), np.int32, int(starts[-1]))
        return cls(classes, starts, n_classes)

    @classmethod
    def of_dense(cls, targets: NDArray[np.bool_]) -> "ClassSets":
        """Make the class sets from (n, n_classes) booleans."""
        rows, classes = np.nonzero(targets)
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(targets)))])
        return cls(classes.astype(np.int32), starts, targets.shape[1])

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.n_classes

    def __getitem__(self, which: Any) -> "ClassSets":
        """Return the class sets of some rows: a slice, or an (m,) int64 array or tensor."""
        rows = np.arange(len(self))[which]
        sizes = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        # The place of each class in `classes`: its place in the row, after the row's start.
        places = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], sizes)
        return ClassSets(self.classes[places], starts, self.n_classes)

    def dense(self, rows: NDArray[np.int64] | slice) -> NDArray[np.bool_]:
        """Return the classes of m rows as (m, n_classes) booleans. Call it for few rows at a time."""
        chosen = self[rows]
        dense = np.zeros(chosen.shape, bool)
        dense[np.repeat(np.arange(len(chosen)), np.diff(chosen.starts)), chosen.classes] = True
        return dense

    def count(self) -> NDArray[np.int64]:
        """Return the number of items of each class, (n_classes,) int64."""
        return np.bincount(self.classes, minlength=self.n_classes)
