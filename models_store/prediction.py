"""A model and features -> predictions, chunk by chunk: memory does not grow with the pool."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models_store.model import Model, as_input, check_features
from models_store.questions.base import Decision, checked_proposed

CHUNK = 8192
"""Items of one part, by default."""
MOST_ROWS = 1024
MOST_LOGITS = 2**23
"""The most rows, and rows x classes, that go through a network at once: it takes at most some 100 MB."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predictions for the items `start` to `start + m` of the pool."""

    start: int
    embeddings: np.ndarray
    """(m, d) float32, the penultimate layer."""
    margins: np.ndarray
    """(m,) float32 in [0, 1], see `decide` of the question. Margins, `best`, `entropies` and `errors` are the network's
    own: `Model.calibration` does not change the order that items are picked in."""
    best: np.ndarray
    """(m,) int32: the most probable class, or for "verify" 1 for yes and 0 for no."""
    confidence: np.ndarray
    """(m,) float32: the probability of `best`."""
    entropies: np.ndarray | None = None
    """(m,) float32, see `entropies` of the question; None unless in `extras`."""
    errors: np.ndarray | None = None
    """(m, e) float32, see `error_vectors` of the question; None unless in `extras`."""
    likely: np.ndarray | None = None
    """(m, l) int16, see `likely` of the question; None unless in `extras`."""
    probabilities: np.ndarray | None = None
    """(m, n_classes) float32, or for "verify" (m,) of yes; None unless in `extras`."""
    chosen: np.ndarray | None = None
    """(m, l) int16, see `chosen` of "multi", the only question that has it; None unless in `extras`."""
    sureness: np.ndarray | None = None
    """(m,) float32, the probability of `chosen`; None unless in `extras`."""


EXTRAS = {
    "entropies": "entropies",
    "errors": "error_vectors",
    "likely": "likely",
    "probabilities": "probabilities",
    "chosen": "chosen",
    "sureness": "sureness",
}
"""Optional results of `predict`, which take time or memory, and the methods of the question that compute them."""

CALIBRATED = ("probabilities", "chosen", "sureness")
"""The optional results that `Model.calibration` changes."""


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
    """Predict items, chunk by chunk, in O(chunk) memory.

    The result for an item does not depend on the items around it, beyond the rounding of the last bits.

    Parameters
    ----------
    model : Model
    features : ndarray of shape (n, dim), uint8 or floating
        A memory map is read chunk by chunk.
    proposed : ndarray of shape (n,), int, optional
        The proposed class of each item: for "verify", and only for it. For a class that the model does not know, the
        margin is 0.
    merged : mapping of int to int, optional
        The class that each merged class has become since the training. The two probabilities are joined.
    extras : sequence of str
        Names in EXTRAS.
    chunk : int
        Items of each prediction.
    progress : callable, optional
        Called with the share done.

    Yields
    ------
    Prediction
        In the order of the items.

    Raises
    ------
    ValueError
        If the arguments do not fit the model; before anything is computed.
    """
    pairs = check_arguments(model, features, proposed=proposed, extras=extras)
    joined = _joined(model, merged)
    if chunk < 1:
        raise ValueError(f"a chunk holds at least one item, not {chunk}")
    return _predictions(model, features, pairs, joined, extras, chunk, progress or (lambda share: None))


def check_arguments(
    model: Model, features: np.ndarray, *, proposed: np.ndarray | None = None, extras: Sequence[str] = ()
) -> Tensor | None:
    """Return the proposed classes as a tensor. Raises ValueError as `predict`."""
    if unknown := [name for name in extras if name not in EXTRAS]:
        raise ValueError(f"unknown extra {unknown[0]!r}; known: {', '.join(EXTRAS)}")
    return _check_input(model, features, proposed)


def probabilities(
    model: Model,
    features: np.ndarray,
    *,
    proposed: np.ndarray | None = None,
    merged: Mapping[int, int] | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield probabilities of all classes, chunk by chunk. Reduce each chunk before taking the next.

    Parameters
    ----------
    model, features, proposed, merged
        As for `predict`.

    Yields
    ------
    start : int
    p : ndarray of shape (m, n_classes), float32
        For "verify" (m,), the probability of yes.
    """
    pairs = _check_input(model, features, proposed)
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
                logits = part.sure if name in CALIBRATED else part.logits
                parts.append(getattr(model.asks, EXTRAS[name])(logits, part.proposed))
        margins, best, confidence = (torch.cat(parts).numpy() for parts in zip(*decisions, strict=True))
        more = {name: torch.cat(parts).numpy() for name, parts in asked.items()}
        yield Prediction(start, torch.cat(embeddings).numpy(), margins, best, confidence, **more)
        progress(stop / n)


class _Part(NamedTuple):
    """A network's output for some rows: its own `logits`, and the calibrated ones, `sure`."""

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
    """Yield the outputs for the rows from `start` to `stop`, part by part."""
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
    """Return logits with columns for proposed classes that the model does not know, and with merged classes joined."""
    if proposed is not None and (unknown := int(proposed.max()) + 1 - logits.shape[1]) > 0:
        logits = torch.nn.functional.pad(logits, (0, unknown))  # as likely as not
    for old, new in joined:
        logits = model.asks.join(logits, old, new)
    return logits


def _joined(model: Model, merged: Mapping[int, int] | None) -> list[tuple[int, int]]:
    """Return pairs (old, new) of classes that the model knows both and that have become the new one."""
    return [(old, new) for old, new in (merged or {}).items() if max(old, new) < model.n_classes]


def _check_input(model: Model, features: np.ndarray, proposed: np.ndarray | None) -> Tensor | None:
    check_features(features, model.input_shape)
    model.asks.check_proposed(proposed)
    if proposed is None:
        return None
    known = max(model.n_classes, int(np.max(proposed, initial=0)) + 1)
    return checked_proposed(proposed, n=len(features), n_classes=known)
