"""The interface of what learns from labels: features in, probabilities out. Write your own against this file.

A subclass is one class in a package of its own, offered to projects by an entry point:
docs/how-to/bring-your-own-model.md walks through it. Light to import: web processes read names and options here.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from models_store.encoders.options import Option

State = dict[str, np.ndarray]

LEAST_PROBABLE = 1e-7
"""What a probability of nothing counts as: about what float32 leaves beside one."""


class EstimatorError(ValueError):
    """Options that cannot be, or labels that cannot be learned. Says what to do; shown to people."""


class Scores(NamedTuple):
    """Of m items: `probabilities` (m, n_classes), of rows that add up to one, or for "multi" each of yes; and
    `embeddings` (m, d), by which near-duplicates are told.
    """

    probabilities: np.ndarray
    embeddings: np.ndarray


class Learner:
    """What can be chosen to learn from a project's labels."""

    name: ClassVar[str]
    """By which projects and saved versions know it."""

    meaning: ClassVar[str] = ""
    """What it is and when to take it, in a sentence for whoever chooses."""

    questions: ClassVar[tuple[str, ...]] = ("single", "score")
    """The questions that it can learn, by name."""

    abilities: ClassVar[frozenset[str]] = frozenset()
    """Beyond learning and predicting: "private" (within a privacy budget), "onnx" (can be exported as such), "soft"
    (`fit` takes `weights`, (n,) float64 of the labels: an item comes once for each class that it may be of)."""

    options: ClassVar[Mapping[str, Option]] = {}
    """What can be set for a project."""

    @classmethod
    def learns(cls, question: str) -> bool:
        """Whether it can learn the question."""
        return question in cls.questions

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Check what the types and bounds of `options` do not tell, when a manager chooses: a training must not be the
        first to find it. All options have a value. Raises `EstimatorError`. Light: web processes call it.
        """


class NetworkLearner(Learner):
    """Trains a network of `models_store.networks`, with the settings of `models_store.config`."""

    name = "network"
    meaning = "The built-in neural network. It supports every question, calibrated confidence and private training."
    abilities = frozenset({"private", "onnx"})

    @classmethod
    def learns(cls, question: str) -> bool:
        return True


class Estimator(Learner, ABC):
    """Learns from labeled items and tells probabilities.

    A subclass sets the class variables and writes `fit`, which is given the options as keyword arguments, `predict`,
    `state` and `from_state`. Decisions, margins and what strategies ask for follow from the probabilities. The same
    call must give the same model.
    """

    @classmethod
    @abstractmethod
    def fit(
        cls, features: np.ndarray, targets: np.ndarray, *, question: str, n_classes: int, seed: int, **options: Any
    ) -> Self:
        """Learn from (n, dim) features of n >= 1 labeled items. Deterministic, given the seed.

        `targets`: (n,) int64 class indices, for "multi" (n, n_classes) bool. Not every class need occur. Raises
        `EstimatorError`.
        """

    @abstractmethod
    def predict(self, features: np.ndarray) -> Scores:
        """Scores of (m, dim) features, each item by itself. A part of the pool at a time."""

    @abstractmethod
    def state(self) -> State:
        """All that `from_state` needs, as plain arrays (no object dtype): it is saved without pickle."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: State) -> Self:
        """The estimator whose `state()` this is. Raises ValueError or KeyError for one that does not fit."""
