"""One class of many."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext_noop

from labeling.questions.base import GridBy, Names, QuestionOf, class_index


class Single(QuestionOf[int]):
    """The question which class it is. A stored value is the index of the class."""

    name = "single"
    title = "one class of many"
    offer = "One class of many. “What is this?”"
    prompt = gettext_noop("Which class is this?")
    grid_by = GridBy.SHOWN

    def parse(self, shown: Any, indices: Mapping[str, int]) -> int:
        return class_index(shown, indices)

    def show(self, value: int | None, names: Names) -> Any:
        return None if value is None else names[value]

    def classes_in(self, value: int) -> Sequence[int]:
        return [value]

    def follow(self, value: int, merges: Mapping[int, int]) -> int:
        return merges.get(value, value)

    def mistaken(self, value: int, n_classes: int, rng: np.random.Generator) -> int:
        other = int(rng.integers(n_classes - 1))
        return other + (other >= value)

    def as_answer(self, best: int) -> int:
        return best

    def targets(self, labels: Sequence[int], n_classes: int) -> np.ndarray:
        """Return the labels as (n,) int64."""
        return np.array(labels, np.int64)
