"""What differs between questions of one class and of several classes an item: answers, people's errors, agreement.

An answer is one whole number, its key: the class, or, of several classes, a number whose bit c says that class c
applies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.seconds.people import BIT, K, M, People
from labeling.labels.resolving import by_class
from labeling.labels.resolving.posterior import ModelVote, Vote, posterior
from models_store.prediction import Prediction

MOST_CLASSES = 62
"""The most classes whose sets have a key of 64 bits."""
DOUBTFUL_CLASSES = 8
"""The classes of an item among which a person's errors are taken to spread, at most, as in `labeling.questions`."""

Keys = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OneClass:
    """Each item has one class. The model's answer can be shown, in suggestions and in grids."""

    n_classes: int
    question: ClassVar[str] = "single"
    extras: ClassVar[tuple[str, ...]] = ()
    shows_predictions: ClassVar[bool] = True
    decisions: ClassVar[int] = 1

    @property
    def others(self) -> int:
        """Return the number of wrong answers among which people's errors spread."""
        return max(self.n_classes - 1, 1)

    def people(self, truth: Keys, seed: int, error: float) -> People:
        return People(truth, self.n_classes, seed, error)

    def targets(self, keys: Keys) -> np.ndarray:
        """Return what a model learns from these answers."""
        return keys

    def predicted(self, part: Prediction) -> tuple[np.ndarray, np.ndarray]:
        """Return the keys of the predicted answers, and their probabilities."""
        return part.best, part.confidence

    def most_probable(self, votes: Sequence[int], error: float, word: ModelVote | None) -> tuple[int, float]:
        """Return the most probable answer to an item, and its probability."""
        found = posterior([Vote(value, 1 - error) for value in votes], self.n_classes, word)
        return max(found.items(), key=lambda pair: pair[1])  # type: ignore[return-value]

    def agreed(self, answers: Sequence[Keys]) -> Keys:
        """Return the answer that two people gave first, by item; -1 where no two agree. `answers`: one array a person,
        -1 where they were not asked.
        """
        labels = np.full(len(answers[0]), -1)
        for later, new in enumerate(answers):
            for earlier in answers[:later]:
                labels = np.where((labels < 0) & (new >= 0) & (new == earlier), new, labels)
        return labels

    def wrong_about(self, keys: Keys, truth: Keys) -> NDArray[np.bool_]:
        """Return whether each answer is wrong: (n, 1), or (n, classes) about each class."""
        return np.asarray(keys != truth)[:, None]


@dataclass(frozen=True, slots=True)
class SeveralClasses:
    """Each item has any number of classes. People answer each alone, and a wrong answer is wrong about one class, each
    as likely. The product shows no predictions of this question, and weighs no answer against the model's.
    """

    n_classes: int
    question: ClassVar[str] = "multi"
    extras: ClassVar[tuple[str, ...]] = ("chosen", "sureness")
    shows_predictions: ClassVar[bool] = False

    @property
    def decisions(self) -> int:
        return min(self.n_classes, DOUBTFUL_CLASSES)

    @property
    def others(self) -> int:
        return self.n_classes

    def people(self, truth: Keys, seed: int, error: float) -> People:
        return _SetPeople(truth, self.n_classes, seed, error)

    def targets(self, keys: Keys) -> np.ndarray:
        return members(keys, self.n_classes)

    def predicted(self, part: Prediction) -> tuple[np.ndarray, np.ndarray]:
        assert part.chosen is not None
        assert part.sureness is not None
        classes = part.chosen.astype(np.int64)
        return np.where(classes >= 0, np.int64(1) << np.maximum(classes, 0), 0).sum(axis=1), part.sureness

    def most_probable(self, votes: Sequence[int], error: float, word: ModelVote | None) -> tuple[int, float]:
        sets = [tuple(np.flatnonzero(each).tolist()) for each in members(np.array(votes), self.n_classes)]
        found = by_class.posterior([Vote(each, 1 - error) for each in sets], self.decisions)
        classes, probability = max(found.items(), key=lambda pair: pair[1])
        return sum(1 << index for index in classes), probability

    def agreed(self, answers: Sequence[Keys]) -> Keys:
        """Return the answer that has two people's word about each of its classes, by item. Three people always do."""
        every = (np.int64(1) << self.n_classes) - 1
        once = twice = np.zeros((2, len(answers[0])), np.int64)
        for answer in answers:
            word = np.where(answer >= 0, [answer, every & ~answer], 0)
            twice = twice | once & word & ~twice[::-1]
            once = once | word
        yes, no = twice
        return np.where(yes | no == every, yes, -1)

    def wrong_about(self, keys: Keys, truth: Keys) -> NDArray[np.bool_]:
        return members(keys ^ truth, self.n_classes)


AnswerKind = OneClass | SeveralClasses


def of_labels(labels: np.ndarray, n_classes: int) -> tuple[AnswerKind, Keys]:
    """Return the kind of answers of these labels, (n,) class indices or (n, n_classes) bool, and their keys. Raises
    ValueError if there are more classes than a key has bits.
    """
    if labels.ndim == 1:
        return OneClass(n_classes), labels
    if n_classes > MOST_CLASSES:
        raise ValueError(f"labels of several classes an item have at most {MOST_CLASSES} classes, not {n_classes}")
    return SeveralClasses(n_classes), labels.astype(np.int64) @ (np.int64(1) << np.arange(n_classes))


def members(keys: Keys, n_classes: int) -> NDArray[np.bool_]:
    """Return which classes each set holds: (n, n_classes).

    >>> members(np.array([5]), 4).tolist()
    [[True, False, True, False]]
    """
    return np.asarray(keys[..., None] >> np.arange(n_classes) & 1, bool)


class _SetPeople(People):
    """People who say of each class whether it applies. `truth`: keys of sets."""

    def _wrong(self, rng: np.random.Generator) -> Keys:
        return self.truth ^ (np.int64(1) << rng.integers(self.n_classes, size=len(self.truth)))

    @property
    def task(self) -> float:
        """Return the seconds for one item alone: think, say yes or no to each class, press a key for each that applies
        and one to go on.
        """
        chosen = float(members(self.truth, self.n_classes).sum(axis=1).mean())
        return M + BIT * self.n_classes + (chosen + 1) * K
