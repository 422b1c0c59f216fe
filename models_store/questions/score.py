"""A score on a scale: the classes are the points of the scale in order, and near misses cost less than far ones.

The loss is that of K − 1 yes-or-no questions, "is the score above this point?", which one distribution over the points
answers: the logarithmic form of Epstein 1969, "A Scoring System for Probability Forecasts of Ranked Categories". The
loss is proper, so probabilities stay calibrated; a penalty on distances is not."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models_store.label_errors import Doubts, label_errors, score_errors
from models_store.metrics import points_off
from models_store.questions.base import FOCUS, Decision, Losses, Targets, projection
from models_store.questions.single import Single


class Score(Single):
    """A question whose answers are points on a scale.

    Targets are (n,) int64 places on the scale. `best` is the median of the distribution, and the margin the least |2
    P(above) − 1| over the points: 0 where two neighbours are as likely to be the median. 1 for a single point.
    """

    name = "score"
    card = "which of {n} points of a scale an item has"
    learns_soft = adaptive = False

    def doubts(self, labels: np.ndarray, held_out: np.ndarray, *, least: int) -> Doubts:
        if points_off(held_out.shape[1]):
            return score_errors(labels, held_out)
        return label_errors(labels, held_out, least=least)

    def losses(self, answers: Tensor, targets: Tensor, *, form: str = "cross-entropy", smoothing: float = 0) -> Losses:
        """Return the sum of the losses of the K − 1 yes-or-no questions."""
        above, not_above = _above(answers)
        truth = (targets[:, None] > torch.arange(above.shape[1], device=targets.device)).to(answers.dtype)
        each = -(truth * above + (1 - truth) * not_above)
        cross = each.sum(dim=1)
        if form == "focal":
            return Losses(((1 - torch.exp(-each)) ** FOCUS * each).sum(dim=1), cross)
        if form == "brier":
            # The ranked probability score.
            return Losses((1 - torch.exp(-each)).square().sum(dim=1), cross)
        if not smoothing:
            return Losses(cross, cross)
        smooth = truth + smoothing * (0.5 - truth)
        return Losses(-(smooth * above + (1 - smooth) * not_above).sum(dim=1), cross)

    def errors(self, answers: Tensor, targets: Tensor) -> Tensor:
        return (_median(answers) != targets).float().mean()

    def guessing_loss(self, targets: Targets) -> float:
        assert isinstance(targets, Tensor)
        points = torch.bincount(targets)
        above = 1 - points.cumsum(0)[:-1] / len(targets)
        return float((torch.special.entr(above) + torch.special.entr(1 - above)).sum())

    def decide(self, logits: Tensor, proposed: Tensor | None) -> Decision:
        best = _median(logits)
        confidence = logits.softmax(dim=1).gather(1, best[:, None])[:, 0]
        if logits.shape[1] == 1:
            return Decision(torch.ones_like(confidence), best.int(), confidence)
        margins = (2 * _above(logits)[0].exp() - 1).abs().amin(dim=1)
        return Decision(margins.clamp(0, 1), best.int(), confidence)

    def error_vectors(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return the gradient of the loss, taking the median as right: P(y = j) times the excess of point j's
        questions.
        """
        above, not_above = _above(logits)
        best = _median(logits)
        yes = best[:, None] > torch.arange(above.shape[1])
        # d/dlogit_j of −log P(A) is p_j (1 − [j in A] / P(A)), for A of those above a point, or of those not above it.
        inside = torch.where(yes, torch.exp(-above), torch.zeros_like(above))
        outside = torch.where(yes, torch.zeros_like(above), torch.exp(-not_above))
        zero = torch.zeros_like(logits[:, :1])
        taken = torch.cat([zero, inside.cumsum(1)], 1) + torch.cat([outside.flip(1).cumsum(1).flip(1), zero], 1)
        vectors = logits.softmax(dim=1) * (above.shape[1] - taken)
        shorten = projection(logits.shape[1])
        return vectors if shorten is None else vectors @ shorten


def _above(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return log P(y > k) and log P(y <= k), (m, K − 1) each, for all points k but the last."""
    logs = F.log_softmax(logits, dim=1)
    above = logs.flip(1).logcumsumexp(dim=1).flip(1)[:, 1:]
    return above.clamp(max=0), logs.logcumsumexp(dim=1)[:, :-1].clamp(max=0)


def _median(logits: Tensor) -> Tensor:
    """Return the first point with at most half of the distribution above it, (m,) int64."""
    return (_above(logits)[0].exp() > 0.5).sum(dim=1)
