"""The objective of a training: a proper loss of the answers, and optionally a soft calibration error.

Karandikar et al. 2021, "Soft Calibration Objectives for Neural Networks" (arXiv 2108.00106), sections 4 and 5. A plain
calibration error sorts answers into bins, or into sure and unsure answers, and has no gradient. Here each answer
belongs to all bins, or to both kinds, by degrees. During training, these errors keep a network from being
overconfident; after training, they choose a temperature."""

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
"""The paper's temperature T of SB-ECE. Lower values come nearer to bins with hard edges."""
THRESHOLD = 0.5
"""The paper's kappa: the share of the greatest entropy above which an answer counts as unsure."""
SOFTNESS = 0.1
"""The paper's temperature T of S-AvUC."""
MOST_ANSWERS = 2**16
"""The most answers that a soft calibration error takes, evenly spread: one item has up to 20,000 answers."""
EDGE = 1e-6
"""The least distance of an entropy's share from 0 and 1, where its odds would be infinite."""


class Loss(NamedTuple):
    """The loss of a step, as scalars. `plain`, which people see, is the cross-entropy alone, without weights or
    smoothing.
    """

    objective: Tensor
    plain: Tensor


@dataclass(frozen=True, eq=False)
class Objective:
    """The objective of one training. `weights` are `Question.class_weights`; None if all classes weigh the same."""

    question: Question
    config: TrainConfig
    weights: Tensor | None

    @classmethod
    def of(
        cls, question: Question, config: TrainConfig, targets: Tensor | ClassSets, n_classes: int, device: torch.device
    ) -> "Objective":
        """Return the objective for the labels that are trained on; `targets` as from `Question.checked_targets`."""
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
        soft: float = 1.0,
    ) -> Loss:
        """Return the mean loss of m answers.

        Parameters
        ----------
        logits : Tensor of shape (m, K)
        targets : Tensor of shape (m,) or (m, K)
            As `Question.as_learned` returns them.
        proposed : Tensor of shape (m,), or None
        probable : Tensor of shape (m, K), optional
            Soft labels, learned instead of the targets.
        counts : Tensor of shape (m,), optional
            Weights of the labels.
        soft : float
            A factor of the soft calibration error's weight.
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
        if self.config.secondary != "none" and soft:
            objective = objective + soft * self.config.secondary_weight * self._secondary(answers, targets, probable)
        return Loss(objective, plain.mean().detach())

    def _secondary(self, answers: Tensor, targets: Tensor, probable: Tensor | None) -> Tensor:
        confidence, entropy, right, n_classes = certainty(self.question, answers, targets)
        if probable is not None and len(right) == len(probable):  # not where only some are looked at
            right = probable.gather(1, answers.argmax(dim=1, keepdim=True))[:, 0]
        if self.config.secondary == "sb-ece":
            return sb_ece(confidence, right)
        return s_avuc(entropy, right, n_classes=n_classes)


def sb_ece(confidence: Tensor, right: Tensor, *, bins: int = BINS, sharpness: float = SHARPNESS) -> Tensor:
    """Return the soft-binned expected calibration error of order 2: Karandikar et al. 2021, section 4.

    Bins of equal width have their centres at (j - 1/2) / bins; an answer's membership of a bin is a softmax of
    -(confidence - centre)^2 / sharpness. The gradient flows through memberships and confidences; it is 0 where the
    error is 0. Takes O(m bins) time and memory.

    Parameters
    ----------
    confidence : Tensor of shape (m,)
        In [0, 1], m >= 1.
    right : Tensor of shape (m,)
        1 for a right answer, 0 for a wrong one.

    Returns
    -------
    Tensor
        A scalar in [0, 1].
    """
    centres = (torch.arange(bins, dtype=confidence.dtype, device=confidence.device) + 0.5) / bins
    membership = torch.softmax(-((confidence[:, None] - centres) ** 2) / sharpness, dim=1)
    gap = (membership * (confidence - right)[:, None]).sum(dim=0)
    mass = membership.sum(dim=0)
    # sum of w_j (C_j - A_j)^2, with w_j = mass_j / m and C_j - A_j = gap_j / mass_j; a bin without mass adds nothing.
    # The clamp keeps the gradient of a bin with next to no mass from overflowing.
    square = (gap**2 / mass.clamp_min(torch.finfo(mass.dtype).eps ** 2)).sum() / len(confidence)
    return torch.where(square > 0, square, torch.ones_like(square)).sqrt() * (square > 0)


def s_avuc(
    entropy: Tensor, right: Tensor, *, n_classes: int, threshold: float = THRESHOLD, softness: float = SOFTNESS
) -> Tensor:
    """Return the soft accuracy-versus-uncertainty loss: Karandikar et al. 2021, section 5.

    It is low if right answers are sure and wrong answers unsure. An answer's degree of being unsure is the logistic
    function of the difference of log odds, of the entropy's share of its maximum and of `threshold`, over `softness`.
    Takes O(m) time and memory.

    Parameters
    ----------
    entropy : Tensor of shape (m,)
        In nats, m >= 1.
    right : Tensor of shape (m,)
        1 for a right answer, 0 for a wrong one.
    n_classes : int
        The number of classes of the distribution.

    Returns
    -------
    Tensor
        A scalar of at least 0.
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
    """Return the certainty of at most MOST_ANSWERS answers, evenly spread over all.

    `answers` as from `Question.of_answers`, and their targets as from `Question.as_learned`. Each of (m, K) yes-or-no
    answers counts as one.
    """
    if not question.softmax:
        answers, targets = answers.reshape(-1), targets.reshape(-1)
    step = -(-len(targets) // MOST_ANSWERS)
    return question.certainty(answers[::step], targets[::step])
