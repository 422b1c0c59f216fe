"""Any number of classes: yes or no for each."""

import torch
from torch import Tensor

from models_store.questions.base import MOST_WEIGHT, Decision, projection
from models_store.questions.yes_or_no import YesOrNo, entropy_of, error_of, margin_of


class Multi(YesOrNo):
    """Targets are (n, K). The margin is the least |2p − 1| over the classes; `best` is the most probable class."""

    name = "multi"
    card = "which of {n} classes apply to an item, any number of them"

    def target_shape(self, n: int, n_classes: int) -> tuple[int, ...]:
        return (n, n_classes)

    def class_weights(self, targets: Tensor, n_classes: int, power: float) -> Tensor:
        """Of a class's yes, as against its no."""
        yes = targets.sum(dim=0) / len(targets)
        return ((1 - yes) / yes.clamp_min(1 / len(targets))).clamp(1 / MOST_WEIGHT, MOST_WEIGHT) ** power

    def weighted(self, losses: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        return losses * torch.where(targets >= 0.5, weights, 1.0)

    def groups(self, targets: Tensor, proposed: Tensor | None) -> Tensor | None:
        return None

    def decide(self, logits: Tensor, proposed: Tensor | None) -> Decision:
        top, best = logits.max(dim=1)
        return Decision(margin_of(logits.abs().amin(dim=1)), best.int(), torch.sigmoid(top))

    def probabilities(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        return torch.sigmoid(logits)

    def entropies(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """The sum over the classes of the entropy of yes or no, as if they were independent."""
        return entropy_of(logits).sum(dim=1)

    def error_vectors(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """p − round(p) of each class."""
        shorten = projection(logits.shape[1])
        return error_of(logits) if shorten is None else error_of(logits) @ shorten
