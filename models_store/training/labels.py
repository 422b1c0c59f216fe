"""The labeled items as a training takes them: batch by batch, always the same ones at the same step."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from models_store.class_sets import ClassSets
from models_store.model import as_input
from models_store.questions import Question

SMALLEST_VALIDATION = 100
"""Fewer held-back labels say too little to stop by: then all are trained on, to the end."""
SHIFT = 2
"""Pixels, of images 32 wide."""


class Propagated(NamedTuple):
    """Which of n labels are another item's, given to its near-copies, and what each counts.

    They are learned from only: no label that is held back, to stop by or to calibrate with, is one of them. Those of an
    item that is held back are left out too, or the training would have seen its like.
    """

    sources: np.ndarray
    """(n,) int64 the row whose label each has: its own, unless it is a near-copy."""
    weights: np.ndarray
    """(n,) float32 what each counts, beside 1 for a label of its own."""


@dataclass(frozen=True, eq=False)
class Labels:
    """The labeled items; `features` may be a memory map. `targets` as `Question.checked_targets` gives them."""

    question: Question
    features: np.ndarray
    targets: Tensor | ClassSets
    proposed: Tensor | None
    input_shape: tuple[int, ...]
    soft: csr_array | None = None
    """(n, n_classes) how probable each class is, for the question "single"; rows add up to one."""

    propagated: Propagated | None = None

    @property
    def own(self) -> np.ndarray:
        """(n,) bool: labels that were given to the very item."""
        n = len(self.features)
        return np.ones(n, bool) if self.propagated is None else self.propagated.sources == np.arange(n)

    def without(self, rows: np.ndarray) -> np.ndarray:
        """The rows that are left to a training that holds these back: all but them and their near-copies."""
        every = np.arange(len(self.features))
        if self.propagated is None:
            return np.setdiff1d(every, rows)
        return every[~np.isin(self.propagated.sources, rows)]

    def weights(self, rows: np.ndarray) -> Tensor | None:
        """(m,) float32 what the rows count, where some count less than others."""
        return None if self.propagated is None else torch.from_numpy(self.propagated.weights[rows])

    def probable(self, rows: np.ndarray) -> Tensor | None:
        """(m, n_classes) float32 of the rows: how probable each class is, if that is learned."""
        return None if self.soft is None else torch.from_numpy(self.soft[rows].toarray().astype(np.float32))

    def take(self, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor | None]:
        """Inputs, targets and proposed classes of the rows."""
        index = torch.from_numpy(rows)
        targets = self.question.take(self.targets, rows)
        proposed = None if self.proposed is None else self.proposed[index]
        return as_input(self.features, rows, self.input_shape), targets, proposed


def split(labels: Labels, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows held back, at random, except that every class keeps a row to train on."""
    order, own = rng.permutation(len(labels.features)), labels.own
    size = int(own.sum() * share)
    if size < SMALLEST_VALIDATION:
        return order, order[:0]
    held_back = order[np.flatnonzero(may_go(labels, order) & own[order])[:size]]
    return order[np.isin(order, labels.without(held_back))], held_back


def may_go(labels: Labels, order: np.ndarray) -> np.ndarray:
    """(n,) bool of the rows in this order: whether a training may hold them back. The first of every class stays."""
    may = np.ones(len(order), dtype=bool)
    groups = labels.question.groups(labels.targets, labels.proposed)
    if groups is not None:
        _, firsts = np.unique(groups.numpy()[order], return_index=True)
        may[firsts] = False
    return may


class Stream:
    """Passes over the rows without end, each in an order of its own: what is taken where follows from the seed alone,
    so that a training can be taken up at any step.
    """

    def __init__(self, rows: np.ndarray, seed: int) -> None:
        self._rows = rows
        self._seed = seed
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def __reduce__(self) -> tuple[type["Stream"], tuple[np.ndarray, int]]:
        """It goes to other processes without the orders, which follow."""
        return Stream, (self._rows, self._seed)

    def take(self, start: int, count: int) -> np.ndarray:
        """`count` rows from place `start` of the stream."""
        n = len(self._rows)
        parts = []
        while count > 0:
            number, place = divmod(start, n)
            part = self._order(number)[place : place + count]
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return np.concatenate(parts)

    def _shuffled(self, number: int) -> np.ndarray:
        return np.random.default_rng([self._seed, 1, number]).permutation(self._rows)


def shifted(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Each image moved by up to SHIFT pixels either way, its edges repeated. No mirroring: digits and letters read
    one way only.
    """
    m, _, height, width = images.shape
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    down, right = rng.integers(0, 2 * SHIFT + 1, size=(2, m))
    return torch.from_numpy(views[np.arange(m), :, down, right])
