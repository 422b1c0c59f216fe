"""The labeled items that a model learns from, checked when the training set is made."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array, vstack
from torch import Tensor

from models_store import questions
from models_store.class_sets import ClassSets
from models_store.model import as_input, check_features
from models_store.questions import Question
from models_store.questions.base import Targets

SMALLEST_VALIDATION = 100
"""Fewer held-back labels say too little to stop by: then the training learns all labels, to the end."""
MOST_POOL = 20_000
"""The most items of the pool that are learned: more of them take longer, and add little."""
POOL_WEIGHT = 0.3
"""The weight of an unlabeled item's soft label; that of a label is 1."""
SHIFT = 2
"""Pixels, of images 32 wide."""


class Propagated(NamedTuple):
    """The labels that near-copies have from other items, and the weight of each label.

    Near-copies are trained on only: neither early stopping nor calibration holds them back. The near-copies of an item
    that is held back are left out of the training, too.
    """

    sources: np.ndarray
    """(n,) int64: the row whose label each row has. A row that is no near-copy names itself."""
    weights: np.ndarray
    """(n,) float32: the weight of each label in the loss; 1 for a label of the item itself."""


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """n >= 1 labeled items, none of them a control item, as every learner takes them.

    Parameters
    ----------
    features : ndarray of shape (n, dim), uint8 or floating
        Features of the items. A memory map is read batch by batch.
    targets : ndarray or ClassSets
        "single" and "score": (n,) class indices. "multi": `ClassSets`, or (n, n_classes) bool. "verify": (n,) bool.
        Not every class needs a label.
    question : str
        A name in `models_store.questions`.
    n_classes : int
    input_shape : tuple of int
        Shape of one item as networks take it; its product is `dim`.
    proposed : ndarray of shape (n,), int, optional
        The class that each answer is about: for "verify", and only for it.
    soft : csr_array of shape (n, n_classes), optional
        Probability of each class, for "single"; rows add up to one. `TrainConfig.soft_labels` says whether it is
        learned. Early stopping and calibration go by `targets`.
    propagated : Propagated, optional
        The labels that near-copies have from their sources.
    representative : ndarray of shape (n,), bool, optional
        The items that were drawn at random from the pool. The others were picked because they are hard. With enough
        representative items, calibration uses them alone.
    pool : ndarray of shape (m, dim), optional
        Features of items without a label, drawn at random, none of them a control item: for `learns_from` "pool".

    Attributes
    ----------
    kept_targets : Tensor or ClassSets
        `targets` as the methods of `Question` take them.
    kept_proposed : Tensor of shape (n,), int64, or None

    Raises
    ------
    ValueError
        If there is no item, or if the arguments do not fit together.
    """

    features: np.ndarray
    targets: np.ndarray | ClassSets
    question: str
    n_classes: int
    input_shape: tuple[int, ...]
    proposed: np.ndarray | None = None
    soft: csr_array | None = None
    propagated: Propagated | None = None
    representative: np.ndarray | None = None
    pool: np.ndarray | None = None
    kept_targets: Targets = field(init=False, repr=False)
    kept_proposed: Tensor | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_features(self.features, self.input_shape)
        n = len(self.features)
        if n == 0:
            raise ValueError("nothing to train on: no labeled item")
        targets, proposed = self.asks.checked_targets(self.targets, self.proposed, n=n, n_classes=self.n_classes)
        if self.soft is not None and self.soft.shape != (n, self.n_classes):
            raise ValueError(f"soft labels have the shape {self.soft.shape}, expected {(n, self.n_classes)}")
        if self.representative is not None and self.representative.shape != (n,):
            raise ValueError(f"`representative` has the shape {self.representative.shape}, expected {(n,)}")
        if self.pool is not None:
            check_features(self.pool, self.input_shape)
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        object.__setattr__(self, "kept_targets", targets)
        object.__setattr__(self, "kept_proposed", proposed)

    def __len__(self) -> int:
        return len(self.features)

    def first_biases(self, rows: np.ndarray) -> Tensor:
        """Return the logits, (n_classes,), with which a network starts that learns these rows."""
        places = torch.from_numpy(rows)
        proposed = None if self.kept_proposed is None else self.kept_proposed[places]
        return self.asks.first_biases(self.kept_targets[places], proposed, self.n_classes)

    @property
    def asks(self) -> Question:
        """The question of that name."""
        return questions.named(self.question)

    def subset(self, rows: np.ndarray) -> "TrainingSet":
        """Return the items of (m,) rows with their labels alone: without the other optional arrays."""
        pairs = None if self.proposed is None else self.proposed[rows]
        return TrainingSet(
            self.features[rows], self.targets[rows], self.question, self.n_classes, self.input_shape, pairs
        )

    @property
    def own(self) -> np.ndarray:
        """Return (n,) bool: whether people gave the label to the item itself."""
        n = len(self)
        return np.ones(n, bool) if self.propagated is None else self.propagated.sources == np.arange(n)

    def without(self, rows: np.ndarray) -> np.ndarray:
        """Return all rows but these and their near-copies, for a training that holds these back."""
        every = np.arange(len(self))
        if self.propagated is None:
            return np.setdiff1d(every, rows)
        return every[~np.isin(self.propagated.sources, rows)]

    def taught(self, probable: np.ndarray) -> "TrainingSet":
        """Return the labeled items, followed by the pool's items with these soft labels, (m, n_classes), at POOL_WEIGHT
        each.

        Pool items are no items of people's own, and near-copies of none.
        """
        assert self.pool is not None
        n, m = len(self), len(self.pool)
        soft = csr_array(self.labels()) if self.soft is None else self.soft
        sources, weights = self.propagated or (np.arange(n), np.ones(n, np.float32))
        weights = np.concatenate([weights, np.full(m, POOL_WEIGHT, np.float32)])
        return TrainingSet(
            np.concatenate([self.features, self.pool]),
            np.concatenate([self.asks.as_array(self.kept_targets), probable.argmax(axis=1)]),
            self.question,
            self.n_classes,
            self.input_shape,
            soft=vstack([soft, csr_array(probable)]).tocsr(),
            propagated=Propagated(np.concatenate([sources, np.full(m, -1)]), weights / weights.mean()),
        )

    def labels(self) -> np.ndarray:
        """Return (n, n_classes) float32: the weight of each class of an item, for questions that learn soft labels."""
        labels: np.ndarray
        if self.soft is not None:
            labels = self.soft.toarray().astype(np.float32)
        else:
            labels = np.eye(self.n_classes, dtype=np.float32)[self.asks.as_array(self.kept_targets)]
        return labels if self.propagated is None else labels * self.propagated.weights[:, None]

    def weights(self, rows: np.ndarray) -> Tensor | None:
        """Return the weights of the rows' labels, (m,) float32; None if all labels weigh the same."""
        return None if self.propagated is None else torch.from_numpy(self.propagated.weights[rows])

    def probable(self, rows: np.ndarray) -> Tensor | None:
        """Return the rows' soft labels, (m, n_classes) float32; None without soft labels."""
        return None if self.soft is None else torch.from_numpy(self.soft[rows].toarray().astype(np.float32))

    def take(self, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return inputs (m, *input_shape), targets as losses take them, and proposed classes (m,) of the rows."""
        targets = self.asks.take(self.kept_targets, rows)
        proposed = None if self.kept_proposed is None else self.kept_proposed[torch.from_numpy(rows)]
        return as_input(self.features, rows, self.input_shape), targets, proposed


def split_off_validation(
    training_set: TrainingSet, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows to train on and rows held back, at random, except that every class keeps a row to train on."""
    order, own = rng.permutation(len(training_set)), training_set.own
    size = int(own.sum() * share)
    if size < SMALLEST_VALIDATION:
        return order, order[:0]
    held_back = order[np.flatnonzero(can_be_held_back(training_set, order) & own[order])[:size]]
    return order[np.isin(order, training_set.without(held_back))], held_back


def can_be_held_back(training_set: TrainingSet, order: np.ndarray) -> np.ndarray:
    """Return (n,) bool: whether a training may hold back the row. The first row of every class stays."""
    may = np.ones(len(order), dtype=bool)
    groups = training_set.asks.groups(training_set.kept_targets, training_set.kept_proposed)
    if groups is not None:
        _, firsts = np.unique(groups.numpy()[order], return_index=True)
        may[firsts] = False
    return may


class Stream:
    """Endless passes over the rows, each pass in an order of its own.

    The order follows from the seed alone, so that a training can continue at any step.
    """

    def __init__(self, rows: np.ndarray, seed: int) -> None:
        self._rows = rows
        self._seed = seed
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def __reduce__(self) -> tuple[type["Stream"], tuple[np.ndarray, int]]:
        """Send rows and seed to other processes; they work the orders out again."""
        return Stream, (self._rows, self._seed)

    def take(self, start: int, count: int) -> np.ndarray:
        """Return (count,) rows from place `start` of the stream."""
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
    """Return each image moved by up to SHIFT pixels either way, its edges repeated. No mirroring: digits and letters
    read one way only.
    """
    m, _, height, width = images.shape
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    down, right = rng.integers(0, 2 * SHIFT + 1, size=(2, m))
    return torch.from_numpy(views[np.arange(m), :, down, right])
