"""Encoders by name. To add an encoder, put it beside these and list its class in `ENCODERS`.

Light to import: web processes read names and options here. An encoder loads its libraries when it is fitted or used.
"""

import os

from models_store.encoders.backbone import Backbone
from models_store.encoders.base import (
    Encoder,
    EncoderDamagedError,
    EncoderFileError,
    EncoderSetupError,
    EncodingError,
    load_state,
    stated,
)
from models_store.encoders.endpoint import Endpoint
from models_store.encoders.fine_tuned import FineTuned
from models_store.encoders.log_mel import LogMel
from models_store.encoders.pixels import Pixels
from models_store.encoders.private_lm import PrivateLm
from models_store.encoders.sentences import SentenceTransformers
from models_store.encoders.silero import Silero
from models_store.encoders.table import Table
from models_store.encoders.tfidf_svd import TfidfSvd
from models_store.encoders.universal import UniversalSentences
from models_store.encoders.vector import Vector

__all__ = [
    "ENCODERS",
    "Encoder",
    "EncoderDamagedError",
    "EncoderFileError",
    "EncoderSetupError",
    "EncodingError",
    "for_kind",
    "get",
    "load",
    "stated",
]

ENCODERS: tuple[type[Encoder], ...] = (
    Pixels,
    Backbone,
    FineTuned,
    TfidfSvd,
    SentenceTransformers,
    UniversalSentences,
    PrivateLm,
    Endpoint,
    Vector,
    Table,
    LogMel,
    Silero,
)
"""The first encoder of a kind is that of projects without a choice; see also `Encoder.for_new`."""


def get(name: str) -> type[Encoder]:
    """Return the encoder of this name, or the default encoder of this kind. Raises KeyError for an unknown name."""
    for encoder in ENCODERS:
        if encoder.name == name:
            return encoder
    return for_kind(name)


def for_kind(kind: str) -> type[Encoder]:
    """Return the default encoder of a kind, such as "image". Raises KeyError for an unknown kind."""
    for encoder in ENCODERS:
        if encoder.kind == kind:
            return encoder
    known = ", ".join(encoder.name for encoder in ENCODERS)
    raise KeyError(f"no encoder is called {kind!r} or takes items of that kind; known: {known}")


def load(path: str | os.PathLike[str]) -> Encoder:
    """Return the encoder in a file of `Encoder.save`. Raises `EncoderFileError`."""
    name, revision, state = load_state(path)
    encoder = next((encoder for encoder in ENCODERS if encoder.name == name), None)
    if encoder is None:
        raise EncoderFileError(f"{path}: made by the encoder {name!r}, which is not installed here")
    if encoder.revision != revision:
        raise EncoderFileError(
            f"{path}: made by revision {revision} of {name!r}, this is revision {encoder.revision}; "
            "encode the items again"
        )
    try:
        return encoder.from_state(state)
    except (KeyError, ValueError) as error:
        raise EncoderFileError(f"{path}: not the state of a {name!r} encoder ({error})") from error
