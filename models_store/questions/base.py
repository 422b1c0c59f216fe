"""The interface of a question: its targets, losses, decisions and measures of doubt.

All networks give one logit for each class and item. In shapes, n is the number of labels, m the number of items at
hand, and K the number of classes."""

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
"""The greatest weight of a rare class: one wrong label of it must not outweigh all others."""
NEVER = -1e4
"""The logit of an impossible class: its probability is 0, and all that follows from it is finite."""
MOST_ERRORS = 64
"""The most numbers in an error vector. With more classes, it is a projection."""
LEAST_PROBABLE = 1e-7
"""The least probability in a logarithm, about the precision of float32 near 1: the cost of 0 would be infinite."""
MOST_LIKELY = 10
"""The likeliest classes that are kept: twice as many as people see, since some may be withdrawn."""


Targets = Tensor | ClassSets


class Decision(NamedTuple):
    """A model's answers for m items: three (m,) tensors."""

    margins: Tensor
    """float32 in [0, 1]; 0 is full doubt. Each question's class docstring defines it."""
    best: Tensor
    """int32: the index of the class, or for "verify" 1 for yes and 0 for no."""
    confidence: Tensor
    """float32, the probability of `best`."""


class Certainty(NamedTuple):
    """The confidence of m answers, their entropy in nats, and whether each is right, 1 or 0: three (m,) tensors. An
    answer is one of `n_classes`.
    """

    confidence: Tensor
    entropy: Tensor
    right: Tensor
    n_classes: int


class Losses(NamedTuple):
    """Losses of each answer, (m,) or (m, K): the objective, and the cross-entropy alone, without smoothing."""

    objective: Tensor
    cross_entropy: Tensor


class Question(ABC):
    """One kind of question. `answers` are logits as from `of_answers`, `targets` as from `as_learned`."""

    name: ClassVar[str]
    card: ClassVar[str]
    """The answer in words, for model cards; `{n}` stands for the number of classes."""
    proposes: ClassVar[bool] = False
    """Whether the answer is about one proposed class of each item."""
    softmax: ClassVar[bool]
    """Whether an item's logits are one distribution over the classes, or one of yes and no for each class."""
    learns_soft: ClassVar[bool] = False
    """Whether a target may be a probability for each class."""
    adaptive: ClassVar[bool] = False
    """Whether a temperature may follow how far an item's best class stands out."""

    def checked_targets(
        self, targets: np.ndarray | ClassSets, proposed: np.ndarray | None, *, n: int, n_classes: int
    ) -> tuple[Targets, Tensor | None]:
        """Check targets and proposed classes, and turn them into the form that all other methods take.

        Parameters
        ----------
        targets : ndarray of shape (n,) or (n, n_classes), or ClassSets
        proposed : ndarray of shape (n,), or None
        n, n_classes : int

        Returns
        -------
        targets : Tensor or ClassSets
        proposed : Tensor of shape (n,), int64, or None

        Raises
        ------
        ValueError
            If shapes, types or classes do not fit.
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
        """Raise ValueError if the question needs proposed classes and there are none, or the other way round."""
        if self.proposes != (proposed is not None):
            raise ValueError("`proposed` belongs to the question 'verify', and only to it")

    def target_shape(self, n: int, n_classes: int) -> tuple[int, ...]:
        return (n,)

    @abstractmethod
    def kept(self, targets: np.ndarray, n_classes: int) -> Targets:
        """Return kept targets, from targets of the right shape. Raises ValueError for wrong types or classes."""

    def as_learned(self, targets: Tensor) -> Tensor:
        """Return kept targets as losses take them."""
        return targets

    def take(self, targets: Targets, rows: np.ndarray) -> Tensor:
        """Return the kept targets of m rows, as losses take them."""
        assert isinstance(targets, Tensor)
        return self.as_learned(targets[torch.from_numpy(rows)])

    def as_array(self, targets: Targets) -> np.ndarray:
        """Return all kept targets, for estimators: (n,), or (n, K) bool."""
        assert isinstance(targets, Tensor)
        return targets.numpy()

    def of_answers(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return the logits that decide an answer, (m, K) or (m,), from (m, K) logits."""
        return logits

    @abstractmethod
    def losses(self, answers: Tensor, targets: Tensor, *, form: str = "cross-entropy", smoothing: float = 0) -> Losses:
        """Return the losses of m answers.

        Parameters
        ----------
        answers, targets : Tensor of shape (m,) or (m, K)
        form : "cross-entropy", "focal" (Lin et al. 2017, section 3) or "brier" (Brier 1950)
        smoothing : float
            Label smoothing of the cross-entropy (Szegedy et al. 2016, arXiv 1512.00567, section 7).
        """

    @abstractmethod
    def class_weights(self, targets: Targets, n_classes: int, power: float) -> Tensor:
        """Return the weight of each class: (even share of the kept targets / its number of targets) ** power, at most
        MOST_WEIGHT ** power.
        """

    @abstractmethod
    def weighted(self, losses: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Return losses times the weights of their targets."""

    @abstractmethod
    def errors(self, answers: Tensor, targets: Tensor) -> Tensor:
        """Return the share of wrong answers, a scalar."""

    @abstractmethod
    def guessing_loss(self, targets: Targets) -> float:
        """Return the cross-entropy, in nats, of predicting the frequencies of the n >= 1 kept targets."""

    def first_biases(self, targets: Targets, proposed: Tensor | None, n_classes: int) -> Tensor:
        """Return the logits, (n_classes,) float32, that a network gives each item before it has learned anything.

        `targets` and `proposed` are those of the n >= 1 labels that it learns. 0, unless a question states otherwise:
        all classes start equal.
        """
        return torch.zeros(n_classes)

    def doubts(self, labels: np.ndarray, held_out: np.ndarray, *, least: int) -> Doubts:
        """Find labels that look wrong.

        Parameters
        ----------
        labels : ndarray of shape (n,) or (n, K)
            Targets as arrays.
        held_out : ndarray of shape (n, K), or (n,) for "verify"
            Probabilities, as from `probabilities`, of models that have not learned the label.
        least : int
            Classes with fewer labels are left out.
        """
        return label_errors(labels, held_out, least=least)

    def groups(self, targets: Targets, proposed: Tensor | None) -> Tensor | None:
        """Return the kind of each label as a number, (n,); a training keeps a label of each kind. None without
        kinds.
        """
        assert isinstance(targets, Tensor)
        return targets.long()

    def join(self, logits: Tensor, old: int, new: int) -> Tensor:
        """Move the probability of the class `old` to the class `new`; return (m, K) logits."""
        joined = logits.clone()
        both = logits[:, [old, new]]
        joined[:, new] = both.logsumexp(dim=1) if self.softmax else both.amax(dim=1)
        joined[:, old] = NEVER
        return joined

    @abstractmethod
    def decide(self, logits: Tensor, proposed: Tensor | None) -> Decision:
        """Return the answers for (m, K) logits. Takes O(m K) time and little memory besides the logits."""

    @abstractmethod
    def confidence(self, best: Tensor, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return the probabilities of the answers `best` of `decide`, from (m, K) logits: (m,) float32."""

    @abstractmethod
    def probabilities(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return the probability of each class, (m, K), or for "verify" of yes, (m,), from (m, K) logits."""

    def likely(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return the most probable classes, the most probable first: (m, min(K, MOST_LIKELY)) int16."""
        return logits.topk(min(MOST_LIKELY, logits.shape[1]), dim=1).indices.short()

    @abstractmethod
    def entropies(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return the entropy of each answer in nats, from (m, K) logits: (m,) float32. 0 means no doubt."""

    @abstractmethod
    def error_vectors(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return the gradient of the loss by the logits, taking the model's answer as right: (m, min(K, MOST_ERRORS))
        float32.

        With more classes, the gradient is multiplied by a fixed random matrix of ± 1/8. Products of two vectors a and b
        keep their value up to an error of about |a||b|/8.
        """

    @abstractmethod
    def are_right(self, p: np.ndarray, targets: np.ndarray | ClassSets) -> np.ndarray:
        """Return whether the answers with these probabilities, as from `probabilities`, equal the targets: (m,) bool.
        Of several answers about an item, all must.
        """

    @abstractmethod
    def costs(self, p: np.ndarray, targets: np.ndarray | ClassSets) -> np.ndarray:
        """Return minus the logarithm of the targets' probabilities, as from `probabilities`, in nats: (m,) float64."""

    @abstractmethod
    def certainty(self, answers: Tensor, targets: Tensor) -> Certainty:
        """Return the certainty of each answer, and whether it is right."""


def checked_proposed(proposed: np.ndarray, *, n: int, n_classes: int) -> Tensor:
    """Return proposed classes as (n,) int64. Raises ValueError if they do not fit."""
    proposed = np.asarray(proposed)
    if proposed.shape != (n,):
        raise ValueError(f"proposed classes have the shape {proposed.shape}, expected {(n,)}")
    return class_indices(proposed, n_classes, name="proposed classes")


def class_indices(classes: np.ndarray, n_classes: int, *, name: str) -> Tensor:
    """Return classes as (n,) int64. Raises ValueError, with their `name`, if they are not from 0 to n_classes - 1."""
    if not np.issubdtype(classes.dtype, np.integer):
        raise ValueError(f"{name} are integers, not {classes.dtype}")
    if len(classes) and not (classes.min() >= 0 and classes.max() < n_classes):
        raise ValueError(f"{name} lie in 0 … {n_classes - 1}, got {classes.min()} … {classes.max()}")
    return torch.from_numpy(classes.astype(np.int64))


def costs_of(p: np.ndarray) -> np.ndarray:
    """Return minus the logarithms of probabilities, in nats."""
    costs: np.ndarray = -np.log(np.maximum(p.astype(np.float64), LEAST_PROBABLE))
    return costs


def even_weights(targets: Targets, n_kinds: int, power: float) -> Tensor:
    """Return (n_kinds,) weights as `class_weights` does, for (n,) indices. Their mean over all labels is 1."""
    assert isinstance(targets, Tensor)
    counts = torch.bincount(targets.long(), minlength=n_kinds).float()
    weights = torch.where(counts > 0, len(targets) / ((counts > 0).sum() * counts.clamp_min(1)), 1.0)
    weights = weights.clamp(max=MOST_WEIGHT) ** power
    return weights * len(targets) / (weights * counts).sum()


def projection(n_classes: int) -> Tensor | None:
    """Return the (n_classes, MOST_ERRORS) matrix that shortens error vectors; None for at most MOST_ERRORS classes."""
    return _projection(n_classes) if n_classes > MOST_ERRORS else None


@lru_cache(maxsize=4)
def _projection(n_classes: int) -> Tensor:
    """Return the same matrix in all runs, so that their error vectors are comparable."""
    signs = np.random.default_rng(0).integers(0, 2, size=(n_classes, MOST_ERRORS), dtype=np.int8)
    return torch.from_numpy((2 * signs - 1).astype(np.float32) / np.sqrt(np.float32(MOST_ERRORS)))
