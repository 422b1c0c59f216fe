"""What one kind of question is. Values in, values out: no rows, no network.

The half that is about logits, losses and margins has the same name in `models_store.questions`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from models_store.class_sets import ClassSets

Stored = int | list[int] | bool
Names = Sequence[str] | Mapping[int, str]

MAX_NAME = 200
"""Characters of a class name."""

KEYS = "1234567890"
"""The digit keys in their order on a keyboard: as many buttons fit on the annotator's screen."""

NO_CLASS_FITS = "None of the classes fits"
SKIP_REASONS = [
    "Two answers are equally likely",
    "Cannot be made out",
    NO_CLASS_FITS,
    "Broken or empty",
    "I do not know enough",
]


class InvalidValue(ValueError):
    """The value does not answer the project's question; the message says what would."""


class Question:
    """A kind of question, and all that its answers are treated by. This one: a class of many.

    A stored value is a class index, unless a kind says otherwise.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """As Django's admin lists it."""
    offer: ClassVar[str]
    """As the form of a new project offers it."""
    prompt: ClassVar[str]
    """What annotators are asked, unless the manager says otherwise."""
    prompt_for_managers: ClassVar[str] = "What is it?"
    proposes: ClassVar[bool] = False
    """Whether each item comes with a class, and the answer is yes or no."""
    several: ClassVar[bool] = False
    """Whether an answer is a list of classes: then no single answer is the most probable one."""
    answers: ClassVar[tuple[str, ...]] = ()
    """Names of the answers, by index, where they are not the project's classes."""
    exported_as: ClassVar[str] = "text"
    """The type of a label in an export: a key of `labeling.outgoing.tables.LABELS`."""
    skip_reasons: ClassVar[list[str]] = SKIP_REASONS

    def check_classes(self, names: Sequence[str]) -> None:
        """Raise `InvalidValue` if these cannot be the classes of such a project."""

    def names_in(self, value: Any) -> set[str]:
        """What may be class names in a value as a client sent it: short enough, and without a NUL."""
        values = value if isinstance(value, list) else [value]
        names = {str(v) for v in values if isinstance(v, str | int) and not isinstance(v, bool)}
        return {name for name in names if len(name) <= MAX_NAME and "\x00" not in name}

    def parse(self, value: Any, indices: Mapping[str, int]) -> Stored:
        """Turn what a client sent into what is stored. Raises `InvalidValue`.

        `indices` maps class names to their index; it need only hold the `names_in` the value.
        """
        return class_index(value, indices)

    def show(self, value: Stored | None, names: Names) -> Any:
        """Turn a stored value into what clients see. None stays None."""
        return None if value is None else names[value]  # type: ignore[index]

    def resolve(self, answers: Sequence[Stored]) -> tuple[Stored | None, float | None]:
        """The label that answers to one task amount to, and the share of them that agree with it.

        No answers (all skipped): no label.
        """
        if not answers:
            return None, None
        label = self.settle(answers)
        return label, sum(answer == label for answer in answers) / len(answers)

    def settle(self, answers: Sequence[Stored]) -> Stored:
        """The label of at least one answer: the most frequent; of several, the one given first."""
        counts: Counter[Any] = Counter(answers)
        return counts.most_common(1)[0][0]

    def predicted(self, best: int, names: Names) -> Any:
        """A model's best answer (`models_store.questions.Decision.best`) as clients see it; of several, one class."""
        return self.show(best, names)

    def targets(self, labels: Sequence[Any], n_classes: int) -> np.ndarray | ClassSets:
        """Labels as a network learns them: (n,) int64."""
        return np.array(labels, np.int64)

    def picker(self, n_classes: int) -> str:
        """The name of the annotator's way to answer: a module of static/js/label/pickers."""
        return "buttons" if n_classes <= len(KEYS) else "search"

    def keys(self, names: Sequence[str]) -> dict[str, str]:
        """The key of each value that can be chosen; none beyond ten classes. The annotator's screen does it alike.

        Classes that are all called by one digit bear their own; others their place's.
        """
        if len(names) > len(KEYS):
            return {}
        if all(len(name) == 1 and name in KEYS for name in names):
            return {name: name for name in names}
        return dict(zip(names, KEYS, strict=False))


def class_index(value: Any, indices: Mapping[str, int]) -> int:
    """The index of the class that is named; classes called 0 to 9 are often sent as numbers. Raises `InvalidValue`."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidValue("The answer must be the name of a class.")
    try:
        return indices[str(value)]
    except KeyError:
        raise InvalidValue(f"This project has no class {str(value)[:60]!r}.") from None
