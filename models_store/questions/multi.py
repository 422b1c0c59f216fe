"""Any number of classes: yes or no for each."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models_store.class_sets import ClassSets
from models_store.label_errors import Doubts, set_errors
from models_store.questions.base import MOST_WEIGHT, Decision, Targets, class_indices, projection
from models_store.questions.yes_or_no import YesOrNo, entropy_of, error_of, margin_of

MOST_CHOSEN = 16
"""The most classes of a whole answer that is stored for each item of a pool."""


class Multi(YesOrNo):
    """A question whose answers are sets of classes.

    Targets are (n, K). The margin is the least |2p − 1| over the classes; `best` is the most probable class.
    """

    name = "multi"
    card = "which of {n} classes apply to an item, any number of them"

    def checked_targets(
        self, targets: np.ndarray | ClassSets, proposed: np.ndarray | None, *, n: int, n_classes: int
    ) -> tuple[Targets, Tensor | None]:
        if not isinstance(targets, ClassSets):
            return super().checked_targets(targets, proposed, n=n, n_classes=n_classes)
        if targets.shape != (n, n_classes):
            raise ValueError(f"targets have the shape {targets.shape}, expected {(n, n_classes)}")
        self.check_proposed(proposed)
        class_indices(targets.classes, n_classes, name="targets")
        return targets, None

    def kept(self, targets: np.ndarray, n_classes: int) -> Targets:
        super().kept(targets, n_classes)
        return ClassSets.of_dense(targets)

    def take(self, targets: Targets, rows: np.ndarray) -> Tensor:
        assert isinstance(targets, ClassSets)
        return self.as_learned(torch.from_numpy(targets.dense(rows)))

    def as_array(self, targets: Targets) -> np.ndarray:
        assert isinstance(targets, ClassSets)
        return targets.dense(slice(None))

    def target_shape(self, n: int, n_classes: int) -> tuple[int, ...]:
        return (n, n_classes)

    def answer_counts(self, targets: Targets, proposed: Tensor | None, n_classes: int) -> tuple[Tensor, Tensor]:
        assert isinstance(targets, ClassSets)
        yes = torch.from_numpy(targets.count()).float()
        return yes, len(targets) - yes

    def class_weights(self, targets: Targets, n_classes: int, power: float) -> Tensor:
        """Return the weight of each class's yes, (n_classes,); a no weighs 1."""
        assert isinstance(targets, ClassSets)
        yes = torch.from_numpy(targets.count()) / len(targets)
        return ((1 - yes) / yes.clamp_min(1 / len(targets))).clamp(1 / MOST_WEIGHT, MOST_WEIGHT) ** power

    def weighted(self, losses: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        return losses * torch.where(targets >= 0.5, weights, 1.0)

    def doubts(self, labels: np.ndarray, held_out: np.ndarray, *, least: int) -> Doubts:
        return set_errors(labels, held_out, least=least)

    def groups(self, targets: Targets, proposed: Tensor | None) -> Tensor | None:
        return None

    def decide(self, logits: Tensor, proposed: Tensor | None) -> Decision:
        top, best = logits.max(dim=1)
        return Decision(margin_of(logits.abs().amin(dim=1)), best.int(), torch.sigmoid(top))

    def confidence(self, best: Tensor, logits: Tensor, proposed: Tensor | None) -> Tensor:
        return torch.sigmoid(logits.gather(1, best.long()[:, None])[:, 0])

    def probabilities(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        return torch.sigmoid(logits)

    def chosen(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return the classes with a probability of at least one half, ascending, then -1: (m, min(K, MOST_CHOSEN))
        int16. Of more classes, the most probable ones.
        """
        top, classes = logits.topk(min(MOST_CHOSEN, logits.shape[1]), dim=1)
        none = logits.shape[1]
        ascending = torch.where(top >= 0, classes, none).sort(dim=1).values
        return torch.where(ascending < none, ascending, -1).short()

    def sureness(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return the probability that exactly the classes of `chosen` apply, as if the classes were independent: (m,)
        float32. 0 if there are more than MOST_CHOSEN.
        """
        product = F.logsigmoid(logits.abs()).sum(dim=1).exp()
        return torch.where((logits >= 0).sum(dim=1) <= MOST_CHOSEN, product, 0.0)

    def entropies(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return the sum of the entropies of yes or no over the classes, as if these were independent."""
        return entropy_of(logits).sum(dim=1)

    def error_vectors(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return p − round(p) for each class."""
        shorten = projection(logits.shape[1])
        return error_of(logits) if shorten is None else error_of(logits) @ shorten
