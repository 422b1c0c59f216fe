"""All that differs between the questions a project can ask: targets, loss, margin.

Every network gives one logit per class and item.

    single   one class of many      softmax over the classes
    multi    any number of classes  a sigmoid per class
    verify   yes or no on one       the sigmoid of the proposed class; the others are not looked at
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models_store.class_sets import ClassSets

QUESTIONS = ("single", "multi", "verify")


class Decision(NamedTuple):
    """What a model takes m items to be: three (m,) tensors."""

    margins: Tensor
    """float32 in [0, 1]; 0 is full doubt. single: p(best) − p(second), 1 if there is one class alone. multi: the
    least |2p − 1| over the classes. verify: |2p − 1| of the proposed class."""
    best: Tensor
    """int32. single, multi: index of the most probable class. verify: 1 for yes, 0 for no."""
    confidence: Tensor
    """float32, the probability given to `best`."""


def checked_targets(
    question: str, targets: np.ndarray | ClassSets, proposed: np.ndarray | None, *, n: int, n_classes: int
) -> tuple[Tensor | ClassSets, Tensor | None]:
    """Targets and proposed classes: int64 for "single", bool for "verify", for "multi" the few classes of each item.

    Raises ValueError, saying what is wrong, for shapes, types or classes that do not fit the question.
    """
    if question not in QUESTIONS:
        raise ValueError(f"unknown question {question!r}; known: {', '.join(QUESTIONS)}")
    targets = targets if isinstance(targets, ClassSets) else np.asarray(targets)
    shape = (n, n_classes) if question == "multi" else (n,)
    if targets.shape != shape:
        raise ValueError(f"targets have the shape {targets.shape}, expected {shape}")
    if (question == "verify") != (proposed is not None):
        raise ValueError("`proposed` belongs to the question 'verify', and only to it")
    if isinstance(targets, ClassSets):
        _class_indices(targets.classes, n_classes, what="targets")
        return targets, None
    if question == "single":
        return _class_indices(targets, n_classes, what="targets"), None
    if targets.dtype != np.bool_:
        raise ValueError(f"targets for {question!r} are booleans, not {targets.dtype}")
    if question == "multi":
        return ClassSets.of_dense(targets), None
    answers = torch.from_numpy(np.array(targets))
    return answers, None if proposed is None else checked_proposed(proposed, n=n, n_classes=n_classes)


def checked_proposed(proposed: np.ndarray, *, n: int, n_classes: int) -> Tensor:
    """(n,) int64 proposed classes. Raises ValueError."""
    proposed = np.asarray(proposed)
    if proposed.shape != (n,):
        raise ValueError(f"proposed classes have the shape {proposed.shape}, expected {(n,)}")
    return _class_indices(proposed, n_classes, what="proposed classes")


def loss(question: str, logits: Tensor, targets: Tensor, proposed: Tensor | None) -> Tensor:
    """Mean loss of (m, K) logits: cross-entropy for "single", binary cross-entropy otherwise. `targets`: classes, or
    float32 of 0 and 1.
    """
    logits = of_answers(question, logits, proposed)
    if question == "single":
        return F.cross_entropy(logits, targets)
    return F.binary_cross_entropy_with_logits(logits, targets)


def errors(question: str, logits: Tensor, targets: Tensor, proposed: Tensor | None) -> Tensor:
    """Share of the answers of (m, K) logits that are wrong; for "multi" each class of an item is an answer."""
    logits = of_answers(question, logits, proposed)
    if question == "single":
        return (logits.argmax(dim=1) != targets).float().mean()
    return ((logits >= 0) != (targets >= 0.5)).float().mean()


def guessing_loss(question: str, targets: Tensor | ClassSets) -> float:
    """The `loss` of answering by the frequencies of the n >= 1 targets alone: their entropy in nats."""
    if question == "single":
        assert isinstance(targets, Tensor)
        shares = torch.bincount(targets) / len(targets)
        return float(torch.special.entr(shares).sum())
    shares = targets.sum(dim=0) / len(targets)
    return float((torch.special.entr(shares) + torch.special.entr(1 - shares)).mean())


def decide(question: str, logits: Tensor, proposed: Tensor | None) -> Decision:
    """Margin, best class and confidence from (m, K) logits; O(m K), nothing of that size beside the logits is kept."""
    if question == "verify":
        assert proposed is not None
        logit = of_proposed(logits, proposed)
        return Decision(_doubt(logit), (logit >= 0).int(), torch.sigmoid(logit.abs()))
    if question == "multi":
        top, best = logits.max(dim=1)
        return Decision(_doubt(logits.abs().amin(dim=1)), best.int(), torch.sigmoid(top))
    tops, classes = logits.topk(min(2, logits.shape[1]), dim=1)
    confidence = torch.exp(tops[:, 0] - logits.logsumexp(dim=1))
    if logits.shape[1] == 1:
        return Decision(torch.ones_like(confidence), classes[:, 0].int(), confidence)
    # p1 − p2 = p1 (1 − exp(l2 − l1)), without the cancellation that would tie the closest items.
    return Decision(-confidence * torch.expm1(tops[:, 1] - tops[:, 0]), classes[:, 0].int(), confidence)


def probabilities(question: str, logits: Tensor, proposed: Tensor | None) -> Tensor:
    """(m, K) of each class, or for "verify" (m,) of yes."""
    if question == "verify":
        assert proposed is not None
        return torch.sigmoid(of_proposed(logits, proposed))
    return logits.softmax(dim=1) if question == "single" else torch.sigmoid(logits)


def _doubt(logit: Tensor) -> Tensor:
    """|2 sigmoid(logit) − 1|."""
    return torch.tanh(logit.abs() / 2)


def of_answers(question: str, logits: Tensor, proposed: Tensor | None) -> Tensor:
    """The logits that an answer is given by: all (m, K) of them, or for "verify" (m,) those of the proposed classes."""
    if question != "verify":
        return logits
    assert proposed is not None
    return of_proposed(logits, proposed)


def of_proposed(logits: Tensor, proposed: Tensor) -> Tensor:
    """(m,) the logits of the proposed classes."""
    return logits.gather(1, proposed[:, None])[:, 0]


def _class_indices(classes: np.ndarray, n_classes: int, *, what: str) -> Tensor:
    if not np.issubdtype(classes.dtype, np.integer):
        raise ValueError(f"{what} are integers, not {classes.dtype}")
    if len(classes) and not (classes.min() >= 0 and classes.max() < n_classes):
        raise ValueError(f"{what} lie in 0 … {n_classes - 1}, got {classes.min()} … {classes.max()}")
    return torch.from_numpy(classes.astype(np.int64))
