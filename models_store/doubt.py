"""What strategies ask of a model beside its margins: how uncertain it is of an item, and what it would learn from it.

Both follow from the logits of all classes, which do not outlive the chunk that they were computed in.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from models_store.questions import of_proposed

MOST_ERRORS = 64
"""Numbers in an error vector. With more classes than that, it is a projection."""


def entropies(question: str, logits: Tensor, proposed: Tensor | None) -> Tensor:
    """(m,) float32, in nats, from (m, K) logits. 0 is no doubt.

    single: of the distribution over the classes. multi: the sum over the classes of the entropy of yes or no, as if
    they were independent. verify: of yes or no for the proposed class.
    """
    if question == "single":
        return torch.special.entr(logits.softmax(dim=1)).sum(dim=1)
    if question == "multi":
        return _of_yes_or_no(logits).sum(dim=1)
    assert proposed is not None
    return _of_yes_or_no(of_proposed(logits, proposed))


def errors(question: str, logits: Tensor, proposed: Tensor | None) -> Tensor:
    """(m, min(K, MOST_ERRORS)) float32: the gradient of the loss by the logits, were the model's own answer right.

    single: p − onehot(most probable class). multi: p − round(p) of each class. verify: p − round(p) at the place of the
    proposed class, 0 elsewhere: only its row of the last layer would learn.
    With more classes, the product with a fixed random matrix of ± 1/8, in which products of two vectors keep their
    value but for an error of about |a||b|/8.
    """
    projection = _projection(logits.shape[1]) if logits.shape[1] > MOST_ERRORS else None
    if question == "verify":
        assert proposed is not None
        p = torch.sigmoid(of_proposed(logits, proposed))
        error = (p - (p >= 0.5).float())[:, None]
        rows = torch.eye(logits.shape[1]) if projection is None else projection
        return error * rows[proposed]
    if question == "multi":
        p = torch.sigmoid(logits)
        error = p - (p >= 0.5).float()
        return error if projection is None else error @ projection
    p, best = logits.softmax(dim=1), logits.argmax(dim=1)
    if projection is not None:
        return p @ projection - projection[best]
    p[torch.arange(len(p)), best] -= 1
    return p


def _of_yes_or_no(logits: Tensor) -> Tensor:
    return torch.special.entr(torch.sigmoid(logits)) + torch.special.entr(torch.sigmoid(-logits))


@lru_cache(maxsize=4)
def _projection(n_classes: int) -> Tensor:
    """(n_classes, MOST_ERRORS), always the same: error vectors of different runs must be comparable."""
    signs = np.random.default_rng(0).integers(0, 2, size=(n_classes, MOST_ERRORS), dtype=np.int8)
    return torch.from_numpy((2 * signs - 1).astype(np.float32) / np.sqrt(np.float32(MOST_ERRORS)))
