"""Predictions that were made elsewhere, behind the interface of a model.

A handed-in prediction of an item is one row: `columns` numbers, then an embedding of `dim` numbers. The model's network
reads these rows in place of features, so that decisions, margins and the arrays for strategies follow as for any other
model."""

import torch
from torch import Tensor, nn

from models_store import questions
from models_store.estimators.base import LEAST_PROBABLE
from models_store.model import Model


class HandedIn(nn.Module):
    """(m, columns + dim) rows -> (m, dim) embeddings and (m, n_classes) logits.

    The columns are probabilities: of the classes, or of yes and no for each class; a single column stands for all
    classes ("verify": the probability of yes for the proposed class).
    """

    def __init__(self, columns: int, n_classes: int, *, softmax: bool) -> None:
        super().__init__()
        self._columns, self._n_classes, self._softmax = columns, n_classes, softmax

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        p = inputs[:, : self._columns].clamp(LEAST_PROBABLE, 1 - LEAST_PROBABLE)
        logits = p.log() if self._softmax else torch.logit(p)
        return inputs[:, self._columns :], logits.expand(-1, self._n_classes)


def handed_in(question: str, n_classes: int, *, columns: int, dim: int) -> Model:
    """Return the model of handed-in predictions; `n_classes` is the number of columns, or any if that is 1."""
    network = HandedIn(columns, n_classes, softmax=questions.named(question).softmax)
    return Model(question, n_classes, (columns + dim,), network.eval())
