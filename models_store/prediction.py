"""A model and features -> what it takes each item to be, chunk by chunk: memory does not grow with the pool."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models_store.model import Model, as_input, checked_features
from models_store.questions.base import Decision, checked_proposed

CHUNK = 8192
"""Items of one part, unless told otherwise."""
MOST_ROWS = 1024
MOST_LOGITS = 2**23
"""Rows, and rows x classes, that go through a network at once: bounds its memory at some 100 MB."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Of the items `start` to `start + m` of the pool."""

    start: int
    embeddings: np.ndarray
    """(m, d) float32, the penultimate layer."""
    margins: np.ndarray
    """(m,) float32 in [0, 1], see `decide` of the question. Like `best`, `entropies` and `errors`, as the network has
    it by itself: what was found later of how sure it may be (`Model.calibration`) changes no order that items are
    picked in."""
    best: np.ndarray
    """(m,) int32: the most probable class, or for "verify" 1 for yes and 0 for no."""
    confidence: np.ndarray
    """(m,) float32: the probability of `best`."""
    entropies: np.ndarray | None = None
    """(m,) float32, see `entropies` of the question; None unless asked for."""
    errors: np.ndarray | None = None
    """(m, e) float32, see `error_vectors` of the question; None unless asked for."""
    likely: np.ndarray | None = None
    """(m, l) int16, see `likely` of the question; None unless asked for."""
    probabilities: np.ndarray | None = None
    """(m, n_classes) float32, or for "verify" (m,) of yes; None unless asked for."""


EXTRAS = {
    "entropies": "entropies",
    "errors": "error_vectors",
    "likely": "likely",
    "probabilities": "probabilities",
}
"""What `predict` gives only if asked for, since it takes time or memory: methods of the question."""


def predict(
    model: Model,
    features: np.ndarray,
    *,
    proposed: np.ndarray | None = None,
    merged: Mapping[int, int] | None = None,
    extras: Sequence[str] = (),
    chunk: int = CHUNK,
    progress: Callable[[float], None] | None = None,
) -> Iterator[Prediction]:
    """Predictions for (n, dim) `features` (a memory map is read as it goes), in order, `chunk` items each.

    `proposed`: (n,) class indices, for the question "verify" and only for it; of a class that the model does not know,
    it doubts the answer in full. `merged`: the class that each of some classes has become since the model was trained:
    what it gives to both counts for that one. `extras`: which of EXTRAS to give too.
    The result for an item does not depend on the items around it, beyond the rounding of the last bits. A pool x
    classes matrix never exists: O(chunk) memory. Raises ValueError, before anything is computed, for arguments that do
    not fit the model.
    """
    pairs = check_arguments(model, features, proposed=proposed, extras=extras)
    joined = _joined(model, merged)
    if chunk < 1:
        raise ValueError(f"a chunk holds at least one item, not {chunk}")
    return _predictions(model, features, pairs, joined, extras, chunk, progress or (lambda share: None))


def check_arguments(
    model: Model, features: np.ndarray, *, proposed: np.ndarray | None = None, extras: Sequence[str] = ()
) -> Tensor | None:
    """The proposed classes as a tensor. Raises ValueError as `predict`."""
    if unknown := [name for name in extras if name not in EXTRAS]:
        raise ValueError(f"unknown extra {unknown[0]!r}; known: {', '.join(EXTRAS)}")
    return _checked(model, features, proposed)


def probabilities(
    model: Model,
    features: np.ndarray,
    *,
    proposed: np.ndarray | None = None,
    merged: Mapping[int, int] | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """(start, p) in order: p (m, n_classes) float32, or for "verify" (m,) the probability of yes.

    For metrics that need every class (calibration, the sets of "multi"): reduce each chunk before taking the next.
    """
    pairs = _checked(model, features, proposed)
    for part in _forward(model, features, pairs, _joined(model, merged), 0, len(features)):
        yield part.start, model.asks.probabilities(part.sure, part.proposed).numpy()


def _predictions(
    model: Model,
    features: np.ndarray,
    proposed: Tensor | None,
    joined: Sequence[tuple[int, int]],
    extras: Sequence[str],
    chunk: int,
    progress: Callable[[float], None],
) -> Iterator[Prediction]:
    n = len(features)
    for start in range(0, n, chunk):
        stop = min(start + chunk, n)
        embeddings: list[Tensor] = []
        decisions: list[Decision] = []
        asked: dict[str, list[Tensor]] = {name: [] for name in extras}
        for part in _forward(model, features, proposed, joined, start, stop):
            embeddings.append(part.embedding)
            decision = model.asks.decide(part.logits, part.proposed)
            if model.calibration is not None:
                sure = model.asks.confidence(decision.best, part.sure, part.proposed)
                decision = decision._replace(confidence=sure)
            decisions.append(decision)
            for name, parts in asked.items():
                logits = part.sure if name == "probabilities" else part.logits
                parts.append(getattr(model.asks, EXTRAS[name])(logits, part.proposed))
        margins, best, confidence = (torch.cat(parts).numpy() for parts in zip(*decisions, strict=True))
        more = {name: torch.cat(parts).numpy() for name, parts in asked.items()}
        yield Prediction(start, torch.cat(embeddings).numpy(), margins, best, confidence, **more)
        progress(stop / n)


class _Part(NamedTuple):
    """What the network says of some rows: `logits` by itself, `sure` as sure as it may be."""

    start: int
    embedding: Tensor
    logits: Tensor
    sure: Tensor
    proposed: Tensor | None


def _forward(
    model: Model,
    features: np.ndarray,
    proposed: Tensor | None,
    joined: Sequence[tuple[int, int]],
    start: int,
    stop: int,
) -> Iterator[_Part]:
    """The rows from `start` to `stop`, few enough at a time."""
    most = getattr(model.network, "most_rows", MOST_ROWS)
    rows = max(1, min(most, MOST_LOGITS // model.n_classes))
    for first in range(start, stop, rows):
        taken = slice(first, min(first + rows, stop))
        # Entered for each part: a generator must not leave its caller in inference mode.
        with torch.inference_mode():
            embedding, logits = model.network(as_input(features, taken, model.input_shape))
            some = None if proposed is None else proposed[taken]
            own = _of_known(model, logits, some, joined)
            sure = own if model.calibration is None else _of_known(model, model.calibration.of(logits), some, joined)
        yield _Part(first, embedding, own, sure, some)


def _of_known(model: Model, logits: Tensor, proposed: Tensor | None, joined: Sequence[tuple[int, int]]) -> Tensor:
    """Logits of all classes that are asked about, merged as they are now."""
    if proposed is not None and (unknown := int(proposed.max()) + 1 - logits.shape[1]) > 0:
        logits = torch.nn.functional.pad(logits, (0, unknown))  # as likely as not
    for old, new in joined:
        logits = model.asks.join(logits, old, new)
    return logits


def _joined(model: Model, merged: Mapping[int, int] | None) -> list[tuple[int, int]]:
    """Pairs of classes that the model tells apart and that have become one, the second of the two."""
    return [(old, new) for old, new in (merged or {}).items() if max(old, new) < model.n_classes]


def _checked(model: Model, features: np.ndarray, proposed: np.ndarray | None) -> Tensor | None:
    checked_features(features, model.input_shape)
    model.asks.check_proposed(proposed)
    if proposed is None:
        return None
    known = max(model.n_classes, int(np.max(proposed, initial=0)) + 1)
    return checked_proposed(proposed, n=len(features), n_classes=known)
