"""What a training makes small: a proper loss of the answers, and if wished a soft calibration error beside it.

Karandikar et al. 2021, "Soft Calibration Objectives for Neural Networks" (arXiv 2108.00106), sections 4 and 5. An
ordinary calibration error sorts answers into bins, or into sure and unsure ones, which has no gradient. Here each
answer belongs to every bin, or to both kinds, to a degree. Added to a loss, they keep a network from being surer than
it is right; after training they say which temperature is best.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from models_store.class_sets import ClassSets
from models_store.config import TrainConfig
from models_store.questions import Certainty, Question

BINS = 15
SHARPNESS = 0.01
"""The paper's temperature T of SB-ECE: of memberships. Smaller is nearer to bins with hard edges."""
THRESHOLD = 0.5
"""The paper's kappa: the share of the greatest entropy from which on an answer counts as unsure."""
SOFTNESS = 0.1
"""The paper's temperature T of S-AvUC: of the step at THRESHOLD."""
MOST_ANSWERS = 2**16
"""Evenly spread ones of more are looked at, to bound the memory: 20,000 classes of an item can be as many answers."""
EDGE = 1e-6
"""How near to 0 and 1 an entropy's share may come: at the ends themselves its odds are infinite."""


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

    def __call__(
        self,
        logits: Tensor,
        targets: Tensor,
        proposed: Tensor | None,
        probable: Tensor | None = None,
        counts: Tensor | None = None,
    ) -> Loss:
        """Means over the answers of (m, K) logits. `probable`: (m, K), learned in place of the targets; `counts`: (m,)
        what each label counts.
        """
        answers = self.question.of_answers(logits, proposed).float()
        smoothing = self.config.label_smoothing
        losses, plain = self.question.losses(answers, targets, form=self.config.loss, smoothing=smoothing)
        if probable is not None:
            logs = F.log_softmax(answers, dim=1)
            losses = -(1 - smoothing) * (probable * logs).sum(dim=1) - smoothing * logs.mean(dim=1)
        if self.weights is not None:
            losses = self.question.weighted(losses, targets, self.weights)
        if counts is not None:
            losses = losses * counts.reshape(-1, *[1] * (losses.ndim - 1))
        objective = losses.mean()
        if self.config.secondary != "none":
            objective = objective + self.config.secondary_weight * self._secondary(answers, targets, probable)
        return Loss(objective, plain.mean().detach())

    def _secondary(self, answers: Tensor, targets: Tensor, probable: Tensor | None) -> Tensor:
        confidence, entropy, right, n_classes = certainty(self.question, answers, targets)
        if probable is not None and len(right) == len(probable):  # not where only some are looked at
            right = probable.gather(1, answers.argmax(dim=1, keepdim=True))[:, 0]
        if self.config.secondary == "sb-ece":
            return sb_ece(confidence, right)
        return s_avuc(entropy, right, n_classes=n_classes)


def sb_ece(confidence: Tensor, right: Tensor, *, bins: int = BINS, sharpness: float = SHARPNESS) -> Tensor:
    """Soft-binned expected calibration error, a scalar in [0, 1], of order 2 (the root of a mean of squares).

    `confidence` (m,) in [0, 1] was given to an answer, and `right` (m,) is 1 where that was right and 0 where not;
    m >= 1. Bins of equal width have their centres at (j - 1/2) / bins; an answer's membership of each is a softmax of
    -(confidence - centre)^2 / sharpness. The gradient flows through memberships and confidences. Where the error is 0,
    the root has no gradient: it is taken to be 0 there. O(m bins) time and memory.
    """
    centres = (torch.arange(bins, dtype=confidence.dtype, device=confidence.device) + 0.5) / bins
    membership = torch.softmax(-((confidence[:, None] - centres) ** 2) / sharpness, dim=1)
    gap = (membership * (confidence - right)[:, None]).sum(dim=0)
    mass = membership.sum(dim=0)
    # sum of w_j (C_j - A_j)^2, with w_j = mass_j / m and C_j - A_j = gap_j / mass_j; a bin without mass counts nothing.
    # Of a bin with next to no mass, the gradient would overflow before it is multiplied by as small a gap.
    square = (gap**2 / mass.clamp_min(torch.finfo(mass.dtype).eps ** 2)).sum() / len(confidence)
    return torch.where(square > 0, square, torch.ones_like(square)).sqrt() * (square > 0)


def s_avuc(
    entropy: Tensor, right: Tensor, *, n_classes: int, threshold: float = THRESHOLD, softness: float = SOFTNESS
) -> Tensor:
    """Soft accuracy-versus-uncertainty loss, a scalar >= 0: low if right answers are sure and wrong ones unsure.

    `entropy` (m,) in nats, of a distribution over `n_classes` (over a single class it is 0, which is sure), and `right`
    (m,) as for `sb_ece`; m >= 1. Being unsure is the logistic function of the difference of log odds, of the entropy's
    share of the greatest one and of `threshold`, over `softness`. Shares are kept EDGE away from 0 and 1, where their
    odds end: an even distribution is as unsure as can be, and no division by zero. O(m) time and memory.
    """
    share = (entropy / math.log(max(n_classes, 2))).clamp(EDGE, 1 - EDGE)
    unsure = torch.sigmoid((torch.logit(share) - math.log(threshold / (1 - threshold))) / softness)
    weight = torch.tanh(entropy)
    unsure_right, unsure_wrong = (right * unsure * weight).sum(), ((1 - right) * unsure * weight).sum()
    sure_right, sure_wrong = (
        (right * (1 - unsure) * (1 - weight)).sum(),
        ((1 - right) * (1 - unsure) * (1 - weight)).sum(),
    )
    good, bad = sure_right + unsure_wrong, unsure_right + sure_wrong
    return torch.log1p(bad / good.clamp_min(EDGE))


def certainty(question: Question, answers: Tensor, targets: Tensor) -> Certainty:
    """What the objectives look at: of more than MOST_ANSWERS answers, evenly spread ones.

    `answers` as `Question.of_answers` gives them, with targets as they are learned; of (m, K) yes or no each is one.
    """
    if not question.softmax:
        answers, targets = answers.reshape(-1), targets.reshape(-1)
    step = -(-len(targets) // MOST_ANSWERS)
    return question.certainty(answers[::step], targets[::step])
