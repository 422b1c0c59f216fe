"""What a training makes small: a proper loss of the answers, and if wished a soft calibration error beside it.

Lin et al. 2017, "Focal Loss for Dense Object Detection" (arXiv 1708.02002); Brier 1950, "Verification of Forecasts
Expressed in Terms of Probability"; Szegedy et al. 2016 (arXiv 1512.00567) for the smoothing of labels.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from models_store import questions
from models_store.class_sets import ClassSets
from models_store.config import TrainConfig
from models_store.training import soft_calibration

FOCUS = 2.0
"""The exponent of the focal loss."""
MOST_WEIGHT = 20.0
"""Of a rare class, however rare: one wrong label of it must not drown all others."""


class Loss(NamedTuple):
    """Scalars. `plain` is the cross-entropy alone, without weights or smoothing: what is told to people."""

    objective: Tensor
    plain: Tensor


@dataclass(frozen=True, eq=False)
class Objective:
    """What one training makes small. `weights` (K,) of classes for "single" and "multi", (2,) of no and yes for
    "verify"; None where all count the same.
    """

    question: str
    config: TrainConfig
    weights: Tensor | None

    @classmethod
    def of(
        cls, question: str, config: TrainConfig, targets: Tensor | ClassSets, n_classes: int, device: torch.device
    ) -> "Objective":
        """For the labels that are trained on; `targets` as `questions.checked_targets` gives them."""
        if not config.class_balance:
            return cls(question, config, None)
        return cls(question, config, _weights(question, targets, n_classes, config.class_balance).to(device))

    def __call__(self, logits: Tensor, targets: Tensor, proposed: Tensor | None) -> Loss:
        """Means over the items of (m, K) logits; arguments as `questions.loss` takes them."""
        logits = questions.of_answers(self.question, logits, proposed).float()
        of_kind = self._of_classes if self.question == "single" else self._of_yes_or_no
        losses, plain = of_kind(logits, targets)
        objective = losses.mean()
        if self.config.secondary != "none":
            objective = objective + self.config.secondary_weight * self._secondary(logits, targets)
        return Loss(objective, plain.detach())

    def _of_classes(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """(m,) losses, and the mean cross-entropy."""
        logs = F.log_softmax(logits, dim=1)
        cross = F.nll_loss(logs, targets, reduction="none")
        smoothing, losses = self.config.label_smoothing, cross
        if self.config.loss == "focal":
            losses = (1 - torch.exp(-cross)) ** FOCUS * cross
        elif self.config.loss == "brier":
            # sum of (p - y)^2 with y one at the answer: sum of p^2 - 2 p(answer) + 1.
            losses = torch.exp(logs).square().sum(dim=1) - 2 * torch.exp(-cross) + 1
        elif smoothing:
            losses = (1 - smoothing) * cross - smoothing * logs.mean(dim=1)
        if self.weights is not None:
            losses = losses * self.weights[targets]
        return losses, cross.mean()

    def _of_yes_or_no(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Losses of each answer, (m,) or (m, K), and the mean cross-entropy."""
        cross = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        losses = cross
        if self.config.loss == "focal":
            losses = (1 - torch.exp(-cross)) ** FOCUS * cross
        elif self.config.loss == "brier":
            losses = 2 * (1 - torch.exp(-cross)).square()
        elif self.config.label_smoothing:
            smooth = targets + self.config.label_smoothing * (0.5 - targets)
            losses = F.binary_cross_entropy_with_logits(logits, smooth, reduction="none")
        if self.weights is not None and self.question == "multi":
            losses = losses * torch.where(targets >= 0.5, self.weights, 1.0)
        elif self.weights is not None:
            losses = losses * self.weights[targets.long()]
        return losses, cross.mean()

    def _secondary(self, logits: Tensor, targets: Tensor) -> Tensor:
        confidence, entropy, right, n_classes = soft_calibration.answers(self.question, logits, targets)
        if self.config.secondary == "sb-ece":
            return soft_calibration.sb_ece(confidence, right)
        return soft_calibration.s_avuc(entropy, right, n_classes=n_classes)


def _weights(question: str, targets: Tensor | ClassSets, n_classes: int, power: float) -> Tensor:
    """Of each class, its share of an even division of the labels over what it has, to the given power. Over all labels
    the mean is 1, but for the bound. For "multi" of a class's yes, as against its no.
    """
    if question == "multi":
        yes = targets.sum(dim=0) / len(targets)
        return ((1 - yes) / yes.clamp_min(1 / len(targets))).clamp(1 / MOST_WEIGHT, MOST_WEIGHT) ** power
    assert isinstance(targets, Tensor)
    counts = torch.bincount(targets.long(), minlength=2 if question == "verify" else n_classes).float()
    weights = torch.where(counts > 0, len(targets) / ((counts > 0).sum() * counts.clamp_min(1)), 1.0)
    weights = weights.clamp(max=MOST_WEIGHT) ** power
    return weights * len(targets) / (weights * counts).sum()
