"""One class of many: a softmax over the classes."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models_store.class_sets import ClassSets
from models_store.questions.base import (
    FOCUS,
    Certainty,
    Decision,
    Losses,
    Question,
    Targets,
    class_indices,
    costs_of,
    even_weights,
    projection,
)


class Single(Question):
    """A question whose answers are one class each.

    Targets are (n,) int64 class indices. The margin is p(best) − p(second), 1 if there is one class alone.
    """

    name = "single"
    card = "which one of {n} classes an item is of"
    softmax = learns_soft = adaptive = True

    def kept(self, targets: np.ndarray, n_classes: int) -> Targets:
        return class_indices(targets, n_classes, name="targets")

    def losses(self, answers: Tensor, targets: Tensor, *, form: str = "cross-entropy", smoothing: float = 0) -> Losses:
        logs = F.log_softmax(answers, dim=1)
        cross = F.nll_loss(logs, targets, reduction="none")
        if form == "focal":
            return Losses((1 - torch.exp(-cross)) ** FOCUS * cross, cross)
        if form == "brier":
            # sum of (p - y)^2 with y one at the answer: sum of p^2 - 2 p(answer) + 1.
            return Losses(torch.exp(logs).square().sum(dim=1) - 2 * torch.exp(-cross) + 1, cross)
        return Losses((1 - smoothing) * cross - smoothing * logs.mean(dim=1) if smoothing else cross, cross)

    def class_weights(self, targets: Targets, n_classes: int, power: float) -> Tensor:
        return even_weights(targets, n_classes, power)

    def weighted(self, losses: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        return losses * weights[targets]

    def errors(self, answers: Tensor, targets: Tensor) -> Tensor:
        return (answers.argmax(dim=1) != targets).float().mean()

    def guessing_loss(self, targets: Targets) -> float:
        assert isinstance(targets, Tensor)
        shares = torch.bincount(targets) / len(targets)
        return float(torch.special.entr(shares).sum())

    def decide(self, logits: Tensor, proposed: Tensor | None) -> Decision:
        tops, classes = logits.topk(min(2, logits.shape[1]), dim=1)
        confidence = torch.exp(tops[:, 0] - logits.logsumexp(dim=1))
        if logits.shape[1] == 1:
            return Decision(torch.ones_like(confidence), classes[:, 0].int(), confidence)
        # p1 − p2 = p1 (1 − exp(l2 − l1)), without the cancellation that would tie the closest items.
        return Decision(-confidence * torch.expm1(tops[:, 1] - tops[:, 0]), classes[:, 0].int(), confidence)

    def confidence(self, best: Tensor, logits: Tensor, proposed: Tensor | None) -> Tensor:
        return torch.exp(logits.gather(1, best.long()[:, None])[:, 0] - logits.logsumexp(dim=1))

    def probabilities(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        return logits.softmax(dim=1)

    def entropies(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return the entropy of the distribution over the classes."""
        entropies: Tensor = torch.special.entr(logits.softmax(dim=1)).sum(dim=1)
        return entropies

    def error_vectors(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return p − onehot(most probable class)."""
        p, best, shorten = logits.softmax(dim=1), logits.argmax(dim=1), projection(logits.shape[1])
        if shorten is not None:
            return p @ shorten - shorten[best]
        p[torch.arange(len(p)), best] -= 1
        return p

    def are_right(self, p: np.ndarray, targets: np.ndarray | ClassSets) -> np.ndarray:
        right: np.ndarray = p.argmax(axis=1) == targets
        return right

    def costs(self, p: np.ndarray, targets: np.ndarray | ClassSets) -> np.ndarray:
        return costs_of(p[np.arange(len(p)), np.asarray(targets)])

    def certainty(self, answers: Tensor, targets: Tensor) -> Certainty:
        logs = F.log_softmax(answers, dim=1)
        best, chosen = logs.max(dim=1)
        # An impossible class adds 0; 0 times its infinite logarithm would be NaN.
        entropy = -(logs.exp() * logs.clamp_min(torch.finfo(logs.dtype).min)).sum(dim=1)
        return Certainty(best.exp(), entropy, (chosen == targets).to(answers.dtype), answers.shape[1])
