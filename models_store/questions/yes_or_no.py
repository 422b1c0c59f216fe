"""The common part of questions whose answers are yes or no: a sigmoid for each answer."""

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models_store.class_sets import ClassSets
from models_store.questions.base import FOCUS, Certainty, Losses, Question, Targets, costs_of


class YesOrNo(Question):
    """A question whose answers are yes or no.

    Targets are bools, which take a byte each; losses take them as float32, 0 or 1.
    """

    softmax = False

    def kept(self, targets: np.ndarray, n_classes: int) -> Targets:
        if targets.dtype != np.bool_:
            raise ValueError(f"targets for {self.name!r} are booleans, not {targets.dtype}")
        return torch.from_numpy(np.array(targets))

    def as_learned(self, targets: Tensor) -> Tensor:
        return targets.float()

    def losses(self, answers: Tensor, targets: Tensor, *, form: str = "cross-entropy", smoothing: float = 0) -> Losses:
        cross = F.binary_cross_entropy_with_logits(answers, targets, reduction="none")
        if form == "focal":
            return Losses((1 - torch.exp(-cross)) ** FOCUS * cross, cross)
        if form == "brier":
            return Losses(2 * (1 - torch.exp(-cross)).square(), cross)
        if not smoothing:
            return Losses(cross, cross)
        smooth = targets + smoothing * (0.5 - targets)
        return Losses(F.binary_cross_entropy_with_logits(answers, smooth, reduction="none"), cross)

    def errors(self, answers: Tensor, targets: Tensor) -> Tensor:
        return ((answers >= 0) != (targets >= 0.5)).float().mean()

    def guessing_loss(self, targets: Targets) -> float:
        counts = torch.from_numpy(targets.count()) if isinstance(targets, ClassSets) else targets.sum(dim=0)
        shares = counts / len(targets)
        return float((torch.special.entr(shares) + torch.special.entr(1 - shares)).mean())

    def first_biases(self, targets: Targets, proposed: Tensor | None, n_classes: int) -> Tensor:
        """Return the log odds of yes for each class, with one more yes and one more no.

        Few of the answers about many classes are yes. A network that starts at even odds takes most steps of a short
        training to learn just that: Lin et al. 2017 (arXiv 1708.02002), section 3.3.
        """
        yes, no = self.answer_counts(targets, proposed, n_classes)
        return torch.log((yes + 1) / (no + 1))

    @abstractmethod
    def answer_counts(self, targets: Targets, proposed: Tensor | None, n_classes: int) -> tuple[Tensor, Tensor]:
        """Return how many labels say yes and no about each class: two (n_classes,) float32."""

    def are_right(self, p: np.ndarray, targets: np.ndarray | ClassSets) -> np.ndarray:
        right: np.ndarray = ((p >= 0.5) == _dense(targets)).reshape(len(p), -1).all(axis=1)
        return right

    def costs(self, p: np.ndarray, targets: np.ndarray | ClassSets) -> np.ndarray:
        """Return the sum over the classes, as if their answers were independent."""
        of_truth = np.where(_dense(targets), p, 1 - p).reshape(len(p), -1)
        costs: np.ndarray = costs_of(of_truth).sum(axis=1)
        return costs

    def certainty(self, answers: Tensor, targets: Tensor) -> Certainty:
        yes, no = F.logsigmoid(answers), F.logsigmoid(-answers)
        entropy = -(yes.exp() * yes + no.exp() * no)
        right = ((answers >= 0) == (targets >= 0.5)).to(answers.dtype)
        return Certainty(torch.maximum(yes, no).exp(), entropy, right, 2)


def _dense(targets: np.ndarray | ClassSets) -> np.ndarray:
    return targets.dense(slice(None)) if isinstance(targets, ClassSets) else targets


def margin_of(answers: Tensor) -> Tensor:
    """Return |2 sigmoid(logit) − 1|."""
    return torch.tanh(answers.abs() / 2)


def entropy_of(answers: Tensor) -> Tensor:
    """Return the entropy of yes or no, in nats."""
    entropy: Tensor = torch.special.entr(torch.sigmoid(answers)) + torch.special.entr(torch.sigmoid(-answers))
    return entropy


def error_of(answers: Tensor) -> Tensor:
    """Return p − round(p)."""
    p = torch.sigmoid(answers)
    return p - (p >= 0.5).float()
