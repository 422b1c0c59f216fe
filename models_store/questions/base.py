"""What a network must know of one kind of question: targets, losses, decisions, doubt.

Every network gives one logit per class and item.
"""

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from models_store.class_sets import ClassSets
from models_store.label_errors import Doubts, label_errors

FOCUS = 2.0
"""The exponent of the focal loss (Lin et al. 2017, arXiv 1708.02002)."""
MOST_WEIGHT = 20.0
"""Of a rare class, however rare: one wrong label of it must not drown all others."""
NEVER = -1e4
"""The logit of a class that cannot be: its probability is 0, and nothing that is computed from it is infinite."""
MOST_ERRORS = 64
"""Numbers in an error vector. With more classes than that, it is a projection."""
MOST_LIKELY = 10
"""Classes of an item that are kept: twice as many as people are shown, for some may be offered no more."""


Targets = Tensor | ClassSets


class Decision(NamedTuple):
    """What a model takes m items to be: three (m,) tensors."""

    margins: Tensor
    """float32 in [0, 1]; 0 is full doubt. What it is of: see `decide` of the question."""
    best: Tensor
    """int32: the index of the class, or for "verify" 1 for yes and 0 for no."""
    confidence: Tensor
    """float32, the probability given to `best`."""


class Certainty(NamedTuple):
    """How sure a model was of m answers, and whether it was right: three (m,) tensors, and of how many answers it chose
    one.
    """

    confidence: Tensor
    entropy: Tensor
    right: Tensor
    n_classes: int


class Losses(NamedTuple):
    """What is made small, of each answer: (m,) or (m, K); and the cross-entropy alone, without smoothing."""

    objective: Tensor
    cross_entropy: Tensor


class Question(ABC):
    """One kind of question. `answers` are logits as `of_answers` gives them, `targets` as `as_learned` does."""

    name: ClassVar[str]
    card: ClassVar[str]
    """What a model answers, for its card; `{n}` stands for the number of classes."""
    proposes: ClassVar[bool] = False
    """Whether the answer is about one proposed class of each item."""
    softmax: ClassVar[bool]
    """Whether the logits of an item are one distribution over the classes; if not, each is one of yes and no."""
    learns_soft: ClassVar[bool] = False
    """Whether a target may be a probability for each class."""
    adaptive: ClassVar[bool] = False
    """Whether a temperature may follow how far an item's best class stands out."""

    def checked_targets(
        self, targets: np.ndarray | ClassSets, proposed: np.ndarray | None, *, n: int, n_classes: int
    ) -> tuple[Targets, Tensor | None]:
        """Targets and proposed classes as they are kept. Raises ValueError for shapes, types or classes that do not
        fit.
        """
        targets = np.asarray(targets)
        shape = self.target_shape(n, n_classes)
        if targets.shape != shape:
            raise ValueError(f"targets have the shape {targets.shape}, expected {shape}")
        self.check_proposed(proposed)
        return self.kept(targets, n_classes), (
            None if proposed is None else checked_proposed(proposed, n=n, n_classes=n_classes)
        )

    def check_proposed(self, proposed: np.ndarray | None) -> None:
        """Raise ValueError if there are proposed classes, and should not be, or the other way round."""
        if self.proposes != (proposed is not None):
            raise ValueError("`proposed` belongs to the question 'verify', and only to it")

    def target_shape(self, n: int, n_classes: int) -> tuple[int, ...]:
        return (n,)

    @abstractmethod
    def kept(self, targets: np.ndarray, n_classes: int) -> Targets:
        """Targets of the right shape as they are kept. Raises ValueError for wrong types or classes."""

    def as_learned(self, targets: Tensor) -> Tensor:
        """Targets as losses take them."""
        return targets

    def take(self, targets: Targets, rows: np.ndarray) -> Tensor:
        """The kept targets of these rows, as losses take them."""
        assert isinstance(targets, Tensor)
        return self.as_learned(targets[torch.from_numpy(rows)])

    def as_array(self, targets: Targets) -> np.ndarray:
        """All kept targets, for estimators: (n,), or (n, K) bool."""
        assert isinstance(targets, Tensor)
        return targets.numpy()

    def of_answers(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """The logits that an answer is given by, of (m, K)."""
        return logits

    @abstractmethod
    def losses(self, answers: Tensor, targets: Tensor, *, form: str = "cross-entropy", smoothing: float = 0) -> Losses:
        """`form`: "cross-entropy" (its labels smoothed: Szegedy et al. 2016, arXiv 1512.00567), "focal" or "brier"
        (Brier 1950)."""

    @abstractmethod
    def class_weights(self, targets: Targets, n_classes: int, power: float) -> Tensor:
        """Of each class, its share of an even division of the kept targets over what it has, to the given power, but
        for the bound MOST_WEIGHT.
        """

    @abstractmethod
    def weighted(self, losses: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Losses times the weights of what they are of."""

    @abstractmethod
    def errors(self, answers: Tensor, targets: Tensor) -> Tensor:
        """The share of the answers that is wrong, a scalar."""

    @abstractmethod
    def guessing_loss(self, targets: Targets) -> float:
        """The cross-entropy, in nats, of answering by the frequencies of the n >= 1 kept targets alone."""

    def doubts(self, labels: np.ndarray, held_out: np.ndarray, *, least: int) -> Doubts:
        """Which labels look wrong: targets as arrays, and for each what a model that has not learned it gave it, as
        `probabilities` does. Of classes with fewer than `least` labels nothing is said.
        """
        return label_errors(labels, held_out, least=least)

    def groups(self, targets: Targets, proposed: Tensor | None) -> Tensor | None:
        """(n,) a number for each kind of label, of which a training keeps one each; None if there are no kinds."""
        assert isinstance(targets, Tensor)
        return targets.long()

    def join(self, logits: Tensor, old: int, new: int) -> Tensor:
        """(m, K) logits where all that was given to the class `old` is given to `new`."""
        joined = logits.clone()
        both = logits[:, [old, new]]
        joined[:, new] = both.logsumexp(dim=1) if self.softmax else both.amax(dim=1)
        joined[:, old] = NEVER
        return joined

    @abstractmethod
    def decide(self, logits: Tensor, proposed: Tensor | None) -> Decision:
        """From (m, K) logits; O(m K), nothing of that size beside the logits is kept."""

    @abstractmethod
    def confidence(self, best: Tensor, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """(m,) float32: the probability that (m, K) logits give to the answers `best` of `decide`."""

    @abstractmethod
    def probabilities(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """(m, K) of each class, or for "verify" (m,) of yes."""

    def likely(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """(m, min(K, MOST_LIKELY)) int16: the most probable classes, the most probable first."""
        return logits.topk(min(MOST_LIKELY, logits.shape[1]), dim=1).indices.short()

    @abstractmethod
    def entropies(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """(m,) float32, in nats. 0 is no doubt."""

    @abstractmethod
    def error_vectors(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """(m, min(K, MOST_ERRORS)) float32: the gradient of the loss by the logits, were the model's own answer right.

        With more classes, the product with a fixed random matrix of ± 1/8, in which products of two vectors keep their
        value but for an error of about |a||b|/8.
        """

    @abstractmethod
    def certainty(self, answers: Tensor, targets: Tensor) -> Certainty:
        """How sure each answer is, and whether it is right."""


def checked_proposed(proposed: np.ndarray, *, n: int, n_classes: int) -> Tensor:
    """(n,) int64 proposed classes. Raises ValueError."""
    proposed = np.asarray(proposed)
    if proposed.shape != (n,):
        raise ValueError(f"proposed classes have the shape {proposed.shape}, expected {(n,)}")
    return class_indices(proposed, n_classes, name="proposed classes")


def class_indices(classes: np.ndarray, n_classes: int, *, name: str) -> Tensor:
    """(n,) int64. Raises ValueError."""
    if not np.issubdtype(classes.dtype, np.integer):
        raise ValueError(f"{name} are integers, not {classes.dtype}")
    if len(classes) and not (classes.min() >= 0 and classes.max() < n_classes):
        raise ValueError(f"{name} lie in 0 … {n_classes - 1}, got {classes.min()} … {classes.max()}")
    return torch.from_numpy(classes.astype(np.int64))


def even_weights(targets: Targets, n_kinds: int, power: float) -> Tensor:
    """(n_kinds,) as `class_weights`, of targets (n,) that are indices; over all labels the mean is 1."""
    assert isinstance(targets, Tensor)
    counts = torch.bincount(targets.long(), minlength=n_kinds).float()
    weights = torch.where(counts > 0, len(targets) / ((counts > 0).sum() * counts.clamp_min(1)), 1.0)
    weights = weights.clamp(max=MOST_WEIGHT) ** power
    return weights * len(targets) / (weights * counts).sum()


def projection(n_classes: int) -> Tensor | None:
    """(n_classes, MOST_ERRORS) if there are more classes than that: what shortens error vectors."""
    return _projection(n_classes) if n_classes > MOST_ERRORS else None


@lru_cache(maxsize=4)
def _projection(n_classes: int) -> Tensor:
    """Always the same: error vectors of different runs must be comparable."""
    signs = np.random.default_rng(0).integers(0, 2, size=(n_classes, MOST_ERRORS), dtype=np.int8)
    return torch.from_numpy((2 * signs - 1).astype(np.float32) / np.sqrt(np.float32(MOST_ERRORS)))
