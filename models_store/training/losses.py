"""What a training makes small: a proper loss of the answers, and if wished a soft calibration error beside it."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from models_store.class_sets import ClassSets
from models_store.config import TrainConfig
from models_store.questions import Question
from models_store.training import soft_calibration


class Loss(NamedTuple):
    """Scalars. `plain` is the cross-entropy alone, without weights or smoothing: what is told to people."""

    objective: Tensor
    plain: Tensor


@dataclass(frozen=True, eq=False)
class Objective:
    """What one training makes small. `weights`: see `Question.class_weights`; None where all count the same."""

    question: Question
    config: TrainConfig
    weights: Tensor | None

    @classmethod
    def of(
        cls, question: Question, config: TrainConfig, targets: Tensor | ClassSets, n_classes: int, device: torch.device
    ) -> "Objective":
        """For the labels that are trained on; `targets` as `Question.checked_targets` gives them."""
        if not config.class_balance:
            return cls(question, config, None)
        return cls(question, config, question.class_weights(targets, n_classes, config.class_balance).to(device))

    def __call__(self, logits: Tensor, targets: Tensor, proposed: Tensor | None) -> Loss:
        """Means over the answers of (m, K) logits."""
        answers = self.question.of_answers(logits, proposed).float()
        losses, plain = self.question.losses(
            answers, targets, form=self.config.loss, smoothing=self.config.label_smoothing
        )
        if self.weights is not None:
            losses = self.question.weighted(losses, targets, self.weights)
        objective = losses.mean()
        if self.config.secondary != "none":
            objective = objective + self.config.secondary_weight * self._secondary(answers, targets)
        return Loss(objective, plain.mean().detach())

    def _secondary(self, answers: Tensor, targets: Tensor) -> Tensor:
        confidence, entropy, right, n_classes = soft_calibration.certainty(self.question, answers, targets)
        if self.config.secondary == "sb-ece":
            return soft_calibration.sb_ece(confidence, right)
        return soft_calibration.s_avuc(entropy, right, n_classes=n_classes)
