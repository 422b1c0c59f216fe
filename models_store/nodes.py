"""The functions that nodes of a cluster run: encode and score a part, and read the rows of a file.

Nodes need neither the database nor its password: they import only this package and the selector.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from models_store import encoders
from models_store.encoders import Encoder, EncodingError
from models_store.model import Model
from models_store.prediction import Prediction, predict

PACKAGES = ("models_store", "selector")


class OtherRelease(Exception):
    """A node runs another release than the worker; results of two releases must not be mixed."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of an array in a file, for processes that can read it. Digests of the first and last row identify them."""

    path: str
    offset: int
    shape: tuple[int, ...]
    dtype: str
    digest: bytes

    @classmethod
    def of(cls, array: np.ndarray) -> Rows | None:
        """Return the rows of a memory map or of a contiguous part of it; None for an array that is in no file."""
        owner = array
        while isinstance(owner.base, np.memmap):
            owner = owner.base
        path = getattr(owner, "filename", None)
        if path is None or not len(array) or not array.flags.c_contiguous:
            return None
        offset = owner.offset + array.ctypes.data - owner.ctypes.data  # type: ignore[attr-defined]
        return cls(str(path), offset, array.shape, array.dtype.str, _digest(array))

    def read(self) -> np.ndarray | None:
        """Return the rows as a memory map; None if the file does not exist here, or is another file of the same
        name.
        """
        try:
            array = np.memmap(self.path, self.dtype, "r", self.offset, self.shape)
        except (OSError, ValueError):
            return None
        return array if _digest(array) == self.digest else None


def _digest(array: np.ndarray) -> bytes:
    ends = np.ascontiguousarray(array[[0, -1]])
    return hashlib.blake2b(ends.tobytes(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a call, the process (host:pid) that ran it, and its seconds."""

    result: Any
    process: str
    seconds: float = 0.0
    size: int = 0
    """Bytes of the result's arrays."""
    unread: bool = False
    """Whether a file does not exist on that node; then the function was not called."""


def run(release: str, function: Callable[..., Any], *arguments: Any) -> Outcome:
    """Call the function, with arrays instead of `Rows`. Raises `OtherRelease`, and the function's exceptions."""
    if release != release_here():
        raise OtherRelease("A node of the cluster runs another release of Marginalia. Install the same one on all.")
    process, started = f"{socket.gethostname()}:{os.getpid()}", time.perf_counter()
    arrays = [each.read() if isinstance(each, Rows) else each for each in arguments]
    if any(array is None and isinstance(each, Rows) for array, each in zip(arrays, arguments, strict=True)):
        return Outcome(None, process, unread=True)
    result = function(*arrays)
    return Outcome(result, process, time.perf_counter() - started, bytes_of(result))


def run_kept(release: str, function: Callable[..., Any], *arguments: Any) -> tuple[Any, ...]:
    """Call the function as `run` does; return the outcome without its result, followed by the pieces of the result."""
    outcome = run(release, function, *arguments)
    return replace(outcome, result=None), *outcome.result


def bytes_of(value: Any) -> int:
    """Return the bytes of arrays and raw items in a message."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, bytes):
        return len(value)
    if is_dataclass(value) and not isinstance(value, type):
        return sum(bytes_of(getattr(value, each.name)) for each in fields(value))
    if isinstance(value, (list, tuple)):
        return sum(map(bytes_of, value))
    return sum(map(bytes_of, value.values())) if isinstance(value, dict) else 0


@cache
def release_here() -> str:
    """Return a digest of the code that nodes run: nodes with the same code give the same results."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for path in sorted(file for package in PACKAGES for file in (root / package).rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class EncoderState:
    """An encoder's state, to send to nodes; each node loads the libraries itself."""

    name: str
    digest: str
    state: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, encoder: Encoder) -> EncoderState:
        return cls(encoder.name, encoder.digest, encoder.state())


_held: dict[str, Encoder] = {}


def _encoder_of(state: EncoderState) -> Encoder:
    """Return the encoder, which this process keeps until another one comes: some take seconds to load."""
    if state.digest not in _held:
        _held.clear()
        _held[state.digest] = next(each for each in encoders.ENCODERS if each.name == state.name).from_state(
            dict(state.state)
        )
    return _held[state.digest]


def encode_part(state: EncoderState, raws: Sequence[Any]) -> tuple[np.ndarray, dict[int, str]]:
    """Encode raw items as `encode_good` does, with the encoder of a state."""
    return encode_good(_encoder_of(state), raws)


def encode_good(encoder: Encoder, raws: Sequence[Any]) -> tuple[np.ndarray, dict[int, str]]:
    """Encode all raw items that can be encoded.

    Parameters
    ----------
    encoder : Encoder
    raws : sequence

    Returns
    -------
    features : ndarray of shape (m, dim)
        Of the items that can be encoded, in order.
    wrong : dict of int to str
        The places of the other items, with the reasons.

    Raises
    ------
    EncoderSetupError
        If a library is missing.
    """
    left = list(enumerate(raws))
    wrong: dict[int, str] = {}
    while True:
        try:
            return encoder.encode([raw for _, raw in left]), wrong
        except EncodingError as error:
            at, _ = left.pop(error.index)
            wrong[at] = error.reason


def score_rows(
    model: Model,
    features: np.ndarray,
    start: int,
    proposed: np.ndarray | None,
    merged: Mapping[int, int] | None,
    extras: Sequence[str],
    embeddings: bool,
) -> list[Prediction]:
    """Return predictions for the rows from `start` on, in parts. Embeddings are left out unless `embeddings` is
    true.
    """
    return [
        replace(
            part, start=start + part.start, embeddings=part.embeddings if embeddings else part.embeddings[:0].copy()
        )
        for part in predict(model, features, proposed=proposed, merged=merged, extras=extras)
    ]
