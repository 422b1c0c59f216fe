"""Any number of classes."""

import json
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.db.models.lookups import Regex
from django.utils.translation import gettext, gettext_noop

from labeling.questions.base import Editor, InvalidValue, Names, QuestionOf, class_index, json_list
from models_store.class_sets import ClassSets

DOUBTFUL_CLASSES = 8
"""The most classes of an item among which a person's errors are taken to spread. Most of a thousand classes are in
doubt for no item."""


class Multi(QuestionOf[list[int]]):
    """The question which classes apply. A stored value is the ascending list of class indices; an empty list means that
    no class applies.
    """

    name = "multi"
    title = "any number of classes"
    offer = "Any number of classes. “Which of these apply?”"
    prompt = gettext_noop("Which of these apply?")
    prompt_for_managers = gettext_noop("Which apply?")
    answer = "a list of class names"
    several = per_class = True
    why_best_class_is_no_answer = gettext_noop("any number of classes may apply")
    answer_arrays = ("chosen", "sureness")
    predicts_from = ("probabilities",)
    exported_as = [str]
    editor = Editor.CLASSES

    def names_in(self, shown: Any) -> set[str]:
        single = super().names_in
        return {name for each in shown for name in single(each)} if isinstance(shown, list) else set()

    def parse(self, shown: Any, indices: Mapping[str, int]) -> list[int]:
        if not isinstance(shown, list):
            raise InvalidValue(
                gettext("The answer must be a list of class names; an empty one means that none applies.")
            )
        return sorted({class_index(name, indices) for name in shown})

    def show(self, value: list[int] | None, names: Names) -> Any:
        return None if value is None else [names[index] for index in value]

    def label_names(self, shown: Any) -> list[str]:
        return list(shown)

    def cell(self, shown: Any) -> str:
        """Return the names between bars; as JSON if there is none, or if a name has a bar."""
        if shown and not any("|" in name for name in shown):
            return " | ".join(shown)
        return json.dumps(shown, ensure_ascii=False)

    def split(self, cell: Any) -> list[Any]:
        if isinstance(cell, str):
            listed = json_list(cell)
            return [name.strip() for name in cell.split("|")] if listed is None else listed
        return super().split(cell)

    def from_parts(self, parts: Sequence[Any]) -> Any:
        return list(dict.fromkeys(parts))

    def encoded(self, shown: Any, places: Mapping[str, int]) -> Any:
        return [places.get(name) for name in shown]

    def key(self, value: Any) -> Hashable:
        return tuple(value)

    def from_key(self, key: Any) -> list[int]:
        return list(key)

    def key_by_names(self, value: list[int] | None, names: Names) -> Hashable:
        return None if value is None else frozenset(names[index] for index in value)

    def classes_in(self, value: list[int]) -> Sequence[int]:
        return value

    def weight(self, value: Any) -> int:
        return len(value) if isinstance(value, list) else 0

    def with_class(self, value: list[int] | None, index: int) -> list[int]:
        return sorted({*(value or []), index})

    def holding(self, field: str, answers: Sequence[int | bool]) -> Q:
        """Return the condition that the list has one of these classes. Both databases write a list as "[1, 12]"."""
        return Q(Regex(Cast(field, TextField()), rf"[\[ ]({'|'.join(map(str, answers))})[,\]]"))

    def follow(self, value: list[int], merges: Mapping[int, int]) -> list[int]:
        return sorted({merges.get(index, index) for index in value})

    def mistaken(self, value: list[int], n_classes: int, rng: np.random.Generator) -> list[int]:
        """Return the right classes with one more, or with one less."""
        return sorted(set(value) ^ {int(rng.integers(n_classes))})

    def possible(self, n_classes: int) -> int:
        """Return the number of likely answers: the right list, and the `n_classes` lists that differ from it by one
        class.
        """
        return n_classes + 1

    def decisions(self, n_classes: int) -> int:
        return max(1, min(n_classes, DOUBTFUL_CLASSES))

    def settle(self, answers: Sequence[list[int]]) -> list[int] | None:
        """Return the classes that more than half of the annotators chose. None if exactly half of them chose some
        class.
        """
        votes = Counter(index for answer in answers for index in answer)
        if any(2 * n == len(answers) for n in votes.values()):
            return None
        return sorted(index for index, n in votes.items() if 2 * n > len(answers))

    def as_answer(self, best: int) -> list[int]:
        return [best]

    def predicted(self, best: int, names: Names) -> Any:
        return names[best]

    def whole(self, entry: Any) -> list[int]:
        return [index for index in entry if index >= 0]

    def prediction(
        self, best: int, confidence: float, probabilities: np.ndarray | None
    ) -> tuple[list[int], float | list[float]]:
        """Return the classes with a probability of at least one half."""
        assert probabilities is not None
        classes = np.flatnonzero(probabilities >= 0.5).tolist()
        return classes, [float(probabilities[index]) for index in classes]

    def targets(self, labels: Sequence[list[int]], n_classes: int) -> ClassSets:
        """Return the few classes of each item: a boolean matrix of a million items and 20,000 classes would take 20
        GB.
        """
        return ClassSets.of(labels, n_classes)
