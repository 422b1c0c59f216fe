"""Yes or no on one proposed class: the sigmoid of its logit. The other logits are ignored."""

import numpy as np
import torch
from torch import Tensor

from models_store.label_errors import Doubts, label_errors
from models_store.questions.base import Decision, Targets, even_weights, projection
from models_store.questions.yes_or_no import YesOrNo, entropy_of, error_of, margin_of


class Verify(YesOrNo):
    """A question whose answers say whether the proposed class is right.

    Targets are (n,), with the (n,) proposed classes. The margin is |2p − 1| of the proposed class.
    """

    name = "verify"
    card = "whether an item is of the one class, of {n}, that is proposed for it"
    proposes = True

    def of_answers(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return the logits of the proposed classes, (m,)."""
        assert proposed is not None
        return logits.gather(1, proposed[:, None])[:, 0]

    def answer_counts(self, targets: Targets, proposed: Tensor | None, n_classes: int) -> tuple[Tensor, Tensor]:
        assert proposed is not None
        assert isinstance(targets, Tensor)
        yes = torch.bincount(proposed[targets], minlength=n_classes).float()
        return yes, torch.bincount(proposed, minlength=n_classes) - yes

    def class_weights(self, targets: Targets, n_classes: int, power: float) -> Tensor:
        """Return the weights of no and yes, (2,)."""
        return even_weights(targets, 2, power)

    def weighted(self, losses: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        return losses * weights[targets.long()]

    def doubts(self, labels: np.ndarray, held_out: np.ndarray, *, least: int) -> Doubts:
        return label_errors(labels, np.stack([1 - held_out, held_out], axis=1), least=least)

    def groups(self, targets: Targets, proposed: Tensor | None) -> Tensor | None:
        assert proposed is not None
        assert isinstance(targets, Tensor)
        return 2 * proposed + targets.long()

    def decide(self, logits: Tensor, proposed: Tensor | None) -> Decision:
        answers = self.of_answers(logits, proposed)
        return Decision(margin_of(answers), (answers >= 0).int(), torch.sigmoid(answers.abs()))

    def confidence(self, best: Tensor, logits: Tensor, proposed: Tensor | None) -> Tensor:
        return torch.sigmoid(self.of_answers(logits, proposed).abs())

    def probabilities(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        return torch.sigmoid(self.of_answers(logits, proposed))

    def entropies(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return the entropy of yes or no for the proposed class."""
        return entropy_of(self.of_answers(logits, proposed))

    def error_vectors(self, logits: Tensor, proposed: Tensor | None) -> Tensor:
        """Return p − round(p) at the proposed class, and 0 elsewhere, because only that class's row of the last layer
        would learn.
        """
        assert proposed is not None
        shorten = projection(logits.shape[1])
        rows = torch.eye(logits.shape[1]) if shorten is None else shorten
        return error_of(self.of_answers(logits, proposed))[:, None] * rows[proposed]
