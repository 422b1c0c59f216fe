"""Any number of classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from django.utils.translation import gettext, gettext_noop

from labeling.questions.base import InvalidValue, Names, Question, Stored, class_index
from models_store.class_sets import ClassSets

DOUBTFUL_CLASSES = 8
"""The most classes of an item among which a person's errors are taken to spread. Most of a thousand classes are in
doubt for no item."""


class Multi(Question):
    """The question which classes apply. A stored value is the ascending list of class indices; an empty list means that
    no class applies.
    """

    name = "multi"
    title = "any number of classes"
    offer = "Any number of classes. “Which of these apply?”"
    prompt = gettext_noop("Which of these apply?")
    prompt_for_managers = gettext_noop("Which apply?")
    answer = "a list of class names"
    value_is_list = per_class = True
    best_is_no_answer = gettext_noop("any number of classes may apply")
    answer_arrays = ("chosen", "sureness")
    exported_as = "texts"

    def parse(self, value: Any, indices: Mapping[str, int]) -> Stored:
        if not isinstance(value, list):
            raise InvalidValue(
                gettext("The answer must be a list of class names; an empty one means that none applies.")
            )
        return sorted({class_index(name, indices) for name in value})

    def show(self, value: Stored | None, names: Names) -> Any:
        return None if value is None else [names[index] for index in value]  # type: ignore[union-attr]

    def follow(self, value: Stored, merges: Mapping[int, int]) -> Stored:
        return sorted({merges.get(index, index) for index in value})  # type: ignore[union-attr]

    def predicted(self, best: int, names: Names) -> Any:
        return names[best]

    def counted(self, value: Stored) -> list[int]:
        return cast("list[int]", value)

    def possible(self, n_classes: int) -> int:
        """Return the number of likely answers: the right list, and the `n_classes` lists that differ from it by one
        class.
        """
        return n_classes + 1

    def decisions(self, n_classes: int) -> int:
        return max(1, min(n_classes, DOUBTFUL_CLASSES))

    def as_answer(self, best: int) -> Stored:
        return [best]

    def whole(self, entry: Any) -> Stored:
        return [index for index in entry if index >= 0]

    def prediction(
        self, best: int, confidence: float, probabilities: np.ndarray | None
    ) -> tuple[Stored, float | list[float]]:
        """Return the classes with a probability of at least one half."""
        assert probabilities is not None
        classes = np.flatnonzero(probabilities >= 0.5).tolist()
        return classes, [float(probabilities[index]) for index in classes]

    def settle(self, answers: Sequence[Stored]) -> Stored | None:
        """Return the classes that more than half of the annotators chose. None if exactly half of them chose some
        class.
        """
        votes = Counter(index for answer in answers for index in answer)  # type: ignore[union-attr]
        if any(2 * n == len(answers) for n in votes.values()):
            return None
        return sorted(index for index, n in votes.items() if 2 * n > len(answers))

    def targets(self, labels: Sequence[Any], n_classes: int) -> np.ndarray | ClassSets:
        """Return the few classes of each item: a boolean matrix of a million items and 20,000 classes would take 20
        GB.
        """
        return ClassSets.of(labels, n_classes)
