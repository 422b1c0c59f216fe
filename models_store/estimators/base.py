"""The interface of learners and estimators. Write your own estimator against this file.

An estimator is one class in a package of its own, which offers it to projects by an entry point:
docs/how-to/bring-your-own-model.md walks through it. Light to import: web processes read names and options here.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from models_store.encoders.options import Option

State = dict[str, np.ndarray]

LEAST_PROBABLE = 1e-7
"""The floor of probabilities: about the least difference from 1 that float32 can represent."""


class EstimatorError(ValueError):
    """Options that are not valid, or labels that cannot be learned. People see the message; it says what to do."""


class Scores(NamedTuple):
    """An estimator's output for m items.

    Parameters
    ----------
    probabilities : ndarray of shape (m, n_classes)
        Rows add up to one; for "multi", each is the probability of yes.
    embeddings : ndarray of shape (m, d)
        The pool is clustered by them.
    """

    probabilities: np.ndarray
    embeddings: np.ndarray


class Learner:
    """The choice of what trains a project's models: the network or an estimator. Other code reads its class variables
    alone.
    """

    name: ClassVar[str]
    """The name in projects and saved versions."""

    title: ClassVar[str] = ""
    """The name on pages; "" for `name`."""

    meaning: ClassVar[str] = ""
    """What it is and when to choose it, in a sentence for managers."""

    questions: ClassVar[tuple[str, ...]] = ("single", "score")
    """The questions that it can learn, by name."""

    abilities: ClassVar[frozenset[str]] = frozenset()
    """Abilities beyond learning and predicting: "private" (trains within a privacy budget), "soft" (`fit` takes
    `weights`, (n,) float64: an item has one row for each class that it may be of)."""

    options: ClassVar[Mapping[str, Option]] = {}
    """The options that a manager can set."""

    @classmethod
    def learns(cls, question: str) -> bool:
        """Return whether the learner can learn the question."""
        return question in cls.questions

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Check options beyond their types and bounds, when a manager sets them. Web processes call this, so it must
        load no libraries.

        Parameters
        ----------
        options : mapping
            All options, each with a value.

        Raises
        ------
        EstimatorError
            If a training with these options would fail or not end.
        """


class NetworkLearner(Learner):
    """Trains a network of `models_store.networks`, with the settings of `models_store.config`."""

    name = "network"
    title = "Built-in network"
    meaning = "The built-in neural network. It supports every question, calibrated confidence and private training."
    abilities = frozenset({"private"})

    @classmethod
    def learns(cls, question: str) -> bool:
        return True


class GivenLearner(Learner):
    """Trains nothing: batches are picked by predictions that are handed in (`models_store.handed_in`)."""

    name = "given"
    title = "Predictions from outside"
    meaning = (
        "No training here. Batches are picked by the predictions of your own model, which you hand in on the page "
        "Models."
    )

    @classmethod
    def learns(cls, question: str) -> bool:
        return True


class Estimator(Learner, ABC):
    """Learns from labeled items and predicts probabilities.

    A subclass sets the class variables and implements `fit`, `predict`, `state` and `from_state`. Decisions, margins
    and the arrays for strategies follow from the probabilities. The same call must give the same model."""

    @classmethod
    @abstractmethod
    def fit(
        cls, features: np.ndarray, targets: np.ndarray, *, question: str, n_classes: int, seed: int, **options: Any
    ) -> Self:
        """Learn from labeled items. Deterministic, given the seed.

        Parameters
        ----------
        features : ndarray of shape (n, dim)
            n >= 1.
        targets : ndarray of shape (n,), int64
            Class indices; for "multi" (n, n_classes) bool. Some classes may not occur.
        question : str
        n_classes, seed : int
        **options
            The options of the class; and `weights`, if labels differ in weight and `abilities` has "soft".

        Raises
        ------
        EstimatorError
            If these labels cannot be learned.
        """

    @abstractmethod
    def predict(self, features: np.ndarray) -> Scores:
        """Predict a part of the pool, each item by itself.

        Parameters
        ----------
        features : ndarray of shape (m, dim)
        """

    @abstractmethod
    def state(self) -> State:
        """Return all that `from_state` needs, as plain arrays (no object dtype), which are saved without pickle."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: State) -> Self:
        """Return the estimator with this `state()`. Raises ValueError or KeyError if it does not fit."""
