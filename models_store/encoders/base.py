"""The interface of an encoder: raw items in, fixed numbers out. Write your own encoder against this file.

An encoder is frozen: it is fitted at most once in a project, saved, and turns each item into the same features from
then on. To add an encoder, subclass `Encoder` in a file of this folder and list the class in `encoders/__init__.py`
(docs/how-to/add-an-encoder.md walks through it)."""

import hashlib
import os
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from models_store.encoders.options import Option

if TYPE_CHECKING:
    from torch import nn

FORMAT_VERSION = 1
"""Of the file that `Encoder.save` writes."""

State = dict[str, np.ndarray]

# What numpy and zipfile raise of bytes that are no archive of arrays. RuntimeError: a flag says that it is encrypted.
NO_ARCHIVE = (
    OSError, EOFError, ValueError, AttributeError, KeyError, TypeError, RuntimeError, SyntaxError, MemoryError,
    struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class EncodingError(ValueError):
    """An item cannot be encoded. `index` is its place in the sequence given to `encode` or `fit`."""

    def __init__(self, reason: str, *, index: int) -> None:
        super().__init__(f"item {index}: {reason}")
        self.reason = reason
        self.index = index


class EncoderFileError(ValueError):
    """A file is missing, is no encoder, is damaged, or comes from a newer release."""


class EncoderDamagedError(EncoderFileError):
    """A file is missing, is no encoder, or is not as it was written."""


class EncoderSetupError(ValueError):
    """An encoder cannot be set up: a library or its weights are missing or do not fit. Says what to do."""


class Encoder(ABC):
    """Turns raw items of one kind into features.

    A subclass sets the class variables, `dim` and `input_shape`, and implements `fit`, `encode`, `state` and
    `from_state`; this class saves, loads and computes the digest. `encode` must treat each item by itself (no
    statistics over the batch at hand) and always give the same numbers for the same item."""

    name: ClassVar[str]
    """The name in the registry and in saved files."""

    title: ClassVar[str] = ""
    """The name on pages; "" for `name`."""

    revision: ClassVar[int] = 1
    """Increase it when `encode` starts to give other numbers: features of different revisions are not comparable."""

    kind: ClassVar[str]
    """The kind of its items, and so the raw items of `encode`: bytes of a file, a text, or a 1-D array of numbers."""

    meaning: ClassVar[str] = ""
    """Its features and when to choose it, in a sentence for managers."""

    options: ClassVar[Mapping[str, Option]] = {}
    """The options that a manager can set. `fit` gets them as keyword arguments."""

    for_new: ClassVar[bool] = False
    """Whether new projects get it by default. Earlier projects keep the first encoder of their kind."""

    fit_samples: ClassVar[int] = 0
    """The most items that `fit` uses; 0 if it needs none."""

    is_private: ClassVar[bool] = False
    """Whether `fit` learns from all items of the pool within the privacy budget. Then it gets a `training`, too, which
    the ledger has recorded, and a project fits it once."""

    sends_items: ClassVar[bool] = False
    """Whether it sends the items to a server outside. Then `fit` gets the function `ask` that does so, too."""

    dtype: ClassVar[np.dtype[Any]]
    """The type of the features: uint8 or float32."""

    dim: int
    """The number of features of an item."""

    input_shape: tuple[int, ...]
    """The shape of one row for networks: (channels, height, width), or (dim,). Its product is `dim`."""

    @classmethod
    @abstractmethod
    def fit(cls, samples: Sequence[Any], *_: Any, **options: Any) -> Self:
        """Learn from raw items, drawn uniformly from the pool, and from the options. Deterministic.

        Raises `EncoderSetupError` if a library or weights are missing.
        """

    @abstractmethod
    def encode(self, raws: Sequence[Any]) -> np.ndarray:
        """Encode m >= 0 raw items: (m, dim) features of `dtype`.

        Raises `EncodingError`, with the place of the first item that cannot be encoded.
        """

    @classmethod
    def suits(cls, samples: Sequence[Any]) -> bool:
        """Return whether new projects with raw items like these get the encoder by default. Light: no network runs."""
        return True

    def network(self, n_classes: int) -> "nn.Module | None":
        """Return the network that trainings on the features begin with, as `networks.Tuned`; None for a new network."""
        return None

    @abstractmethod
    def state(self) -> State:
        """Return all that `from_state` needs, as plain arrays (no object dtype)."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: State) -> Self:
        """Return the encoder with this `state()`. Raises KeyError or ValueError if it does not fit."""

    @property
    def digest(self) -> str:
        """sha256 (hex) of name, revision and state: equal digests mean comparable features."""
        return _digest(self.name, self.revision, self.state())

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the state to `path` as .npz (replaced in one step, never half-written); return the digest."""
        target = Path(path)
        state, digest = self.state(), self.digest
        partial = target.with_name(f".{target.name}.partial")
        arrays: dict[str, Any] = {f"state.{key}": value for key, value in state.items()}
        arrays |= {"format_version": FORMAT_VERSION, "name": self.name, "revision": self.revision, "digest": digest}
        with partial.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
        return digest


def load_state(path: str | os.PathLike[str]) -> tuple[str, int, State]:
    """Return name, revision and state from a file of `Encoder.save`.

    Raises `EncoderFileError` for any other file, or if the content does not match its digest.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except FileNotFoundError as error:
        raise EncoderDamagedError(f"{path}: no such file") from error
    except NO_ARCHIVE as error:
        raise EncoderDamagedError(f"{path}: not an encoder, or damaged ({error})") from error
    try:
        version = int(arrays["format_version"])
        name, revision, digest = str(arrays["name"]), int(arrays["revision"]), str(arrays["digest"])
    except (KeyError, TypeError, ValueError) as error:
        raise EncoderDamagedError(f"{path}: not an encoder ({error})") from error
    if version > FORMAT_VERSION:
        raise EncoderFileError(f"{path}: format {version} is newer than this release reads ({FORMAT_VERSION})")
    state = {key.removeprefix("state."): value for key, value in arrays.items() if key.startswith("state.")}
    if _digest(name, revision, state) != digest:
        raise EncoderDamagedError(f"{path}: damaged, the content does not match its digest")
    return name, revision, state


def stated(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return name and digest as a file of `Encoder.save` states them, unchecked. Raises `EncoderDamagedError`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: str(file[key]) for key in ("name", "digest")}
    except NO_ARCHIVE as error:
        raise EncoderDamagedError(f"{path}: missing, not an encoder, or damaged ({error})") from error


def library(name: str, *, encoder: str, requirements: str = "requirements-encoders.txt") -> Any:
    """Import a package that is not in the default installation. Raises `EncoderSetupError` if it is missing."""
    try:
        return import_module(name)
    except ImportError as error:
        raise EncoderSetupError(
            f"The encoder {encoder!r} needs the package {name}, which cannot be loaded ({error}). "
            f"Install it with: scripts/setup.sh {requirements}"
        ) from error


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the name of its type."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def thinned(samples: Sequence[Any], limit: int) -> Sequence[Any]:
    """Return at most `limit` of the samples, evenly spaced; always the same ones."""
    if len(samples) <= limit:
        return samples
    return [samples[i] for i in np.linspace(0, len(samples) - 1, limit).astype(int)]


def _digest(name: str, revision: int, state: State) -> str:
    sha = hashlib.sha256(f"{name}\0{revision}\0".encode())
    for key in sorted(state):
        array = np.asarray(state[key], order="C")
        if array.dtype.hasobject:
            raise TypeError(f"the state {key!r} holds objects, which would be saved as a pickle")
        sha.update(f"{key}\0{array.dtype.str}\0{array.shape}\0".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()
