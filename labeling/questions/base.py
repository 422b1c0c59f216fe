"""The base class of all questions. Values in, values out: no rows, no network.

`models_store.questions` has a class of the same name for each question: its logits, losses and margins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar

import numpy as np
from django.utils.translation import gettext, gettext_noop

from models_store.class_sets import ClassSets

Stored = int | list[int] | bool
Names = Sequence[str] | Mapping[int, str]

MAX_NAME = 200
"""The most characters of a class name."""

KEYS = "1234567890"
"""The digit keys in their order on a keyboard. The annotator's screen shows at most as many buttons."""

NO_CLASS_FITS = gettext_noop("None of the classes fits")
SKIP_REASONS = [
    gettext_noop("Two answers are equally likely"),
    gettext_noop("Cannot be made out"),
    NO_CLASS_FITS,
    gettext_noop("Broken or empty"),
    gettext_noop("I do not know enough"),
]


class GridBy(Enum):
    """The value that all items of one grid share."""

    NOTHING = "nothing"  # the question is not asked in grids
    PROPOSED = "proposed"  # the proposed class
    SHOWN = "shown"  # the answer that annotators see as a suggestion


class InvalidValue(ValueError):
    """The value does not answer the project's question; the message names the accepted values."""


class Question:
    """A kind of question, and every rule for its answers. The base class asks for one class of many.

    A stored value is a class index, unless a subclass says otherwise.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """The name in Django's admin."""
    offer: ClassVar[str]
    """The text in the form of a new project."""
    prompt: ClassVar[str]
    """The question that annotators read, unless the manager writes another one."""
    prompt_for_managers: ClassVar[str] = gettext_noop("What is it?")
    proposes: ClassVar[bool] = False
    """Whether each item proposes a class, and the answer is yes or no."""
    answer: ClassVar[str] = "a class name"
    """The form of an answer, in the words of the API reference."""
    value_is_list: ClassVar[bool] = False
    """Whether a stored value is a list of class indices. Annotators then choose several classes before they submit."""
    per_class: ClassVar[bool] = False
    """Whether each class of an item is a decision of its own, yes or no."""
    best_is_no_answer: ClassVar[str] = ""
    """Why a model's most probable class is not a whole answer: the end of a sentence that begins with "Where". Pages
    then do not compare predictions with labels. Empty if the most probable class is an answer."""
    answer_arrays: ClassVar[tuple[str, str]] = ("best", "confidence")
    """The names of a version's arrays that have a whole answer for each item of the pool, and its probability."""
    ordered: ClassVar[bool] = False
    """Whether the classes are points of a scale at equal distances, so that a wrong answer can be near or far."""
    grid_by: ClassVar[GridBy] = GridBy.NOTHING
    """The value that all items of a grid share, if annotators may answer many items at once."""
    answers: ClassVar[tuple[str, ...]] = ()
    """Names of the answers, by index, if the answers are not the project's classes."""
    exported_as: ClassVar[str] = "text"
    """The type of a label in an export: a key of `labeling.outgoing.formats.base.LABELS`."""
    skip_reasons: ClassVar[list[str]] = SKIP_REASONS

    fixed_classes: ClassVar[str] = ""
    """Why classes can be neither merged nor archived; empty if they can."""
    fixed_scale: ClassVar[str] = ""
    """Why classes can be neither added, renamed nor reordered; empty if they can."""

    def check_classes(self, names: Sequence[str]) -> None:
        """Raise `InvalidValue` if a project with this question cannot have classes with these names."""

    def names_in(self, value: Any) -> set[str]:
        """Return the class names that a client's value may contain: at most `MAX_NAME` characters each, and no NUL."""
        values = value if isinstance(value, list) else [value]
        names = {str(v) for v in values if isinstance(v, str | int) and not isinstance(v, bool)}
        return {name for name in names if len(name) <= MAX_NAME and "\x00" not in name}

    def parse(self, value: Any, indices: Mapping[str, int]) -> Stored:
        """Turn a client's value into a stored value. Raises `InvalidValue`.

        `indices` maps class names to class indices; it needs only the names that `names_in` returns for the value.
        """
        return class_index(value, indices)

    def show(self, value: Stored | None, names: Names) -> Any:
        """Turn a stored value into the value that clients receive. None stays None."""
        return None if value is None else names[value]  # type: ignore[index]

    def key(self, value: Stored) -> Hashable:
        """Return a hashable form of a stored value, for counts."""
        return tuple(value) if isinstance(value, list) else value

    def counted(self, value: Stored) -> list[int]:
        """Return the class indices under which counts by class count a stored value; no is 0 and yes is 1."""
        return [int(value)]  # type: ignore[arg-type]

    def possible(self, n_classes: int) -> int:
        """Return the number of answers among which people's mistakes spread, the right answer included."""
        return len(self.answers) or n_classes

    def decisions(self, n_classes: int) -> int:
        """Return the number of classes of an item among which a person's errors spread, if each class is a decision of
        its own; else 1.
        """
        return 1

    def resolve(self, answers: Sequence[Stored]) -> tuple[Stored | None, float | None]:
        """Return the label that the answers to one task result in, and the share of the answers that equal it.

        (None, None) without answers, if all people skipped the task. In a tie no label, and the share of the most
        frequent answer.
        """
        if not answers:
            return None, None
        label = self.settle(answers)
        if label is None:
            return None, max(Counter(map(self.key, answers)).values()) / len(answers)
        return label, sum(answer == label for answer in answers) / len(answers)

    def settle(self, answers: Sequence[Stored]) -> Stored | None:
        """Return the most frequent of one or more answers. None if two answers are equally frequent."""
        (label, most), *others = Counter[Any](answers).most_common(2)
        return None if others and others[0][1] == most else label

    def settle_clearly(self, answers: Sequence[Stored]) -> Stored | None:
        """Return the label of one or more answers; None if as many answers speak against the label as for it."""
        return self.settle(answers)

    def follow(self, value: Stored, merges: Mapping[int, int]) -> Stored:
        """Return the stored value, with each merged class replaced by the class that it was merged into."""
        return merges.get(value, value)  # type: ignore[arg-type]

    def predicted(self, best: int, names: Names) -> Any:
        """Return a model's best class (`models_store.questions.Decision.best`) in the form that clients receive."""
        return self.show(best, names)

    def as_answer(self, best: int) -> Stored:
        """Return a model's best class as a stored value."""
        return best

    def whole(self, entry: Any) -> Stored:
        """Return an entry of the first of `answer_arrays`, as a number or a list of numbers, as a stored value."""
        return self.as_answer(entry)

    def prediction(
        self, best: int, confidence: float, probabilities: np.ndarray | None
    ) -> tuple[Stored, float | list[float]]:
        """Return the stored value that a model predicts, and its probability.

        probabilities: (n_classes,) the probability of each class; given if `value_is_list`. The result then has a
        probability for each class of the value.
        """
        return self.as_answer(best), confidence

    def targets(self, labels: Sequence[Any], n_classes: int) -> np.ndarray | ClassSets:
        """Return the labels in the form that a network is trained on: (n,) int64."""
        return np.array(labels, np.int64)

    def picker(self, n_classes: int) -> str:
        """Return the module of static/js/label/pickers that the annotator's screen uses."""
        return "buttons" if n_classes <= len(KEYS) else "search"

    def searches(self, n_classes: int) -> bool:
        """Return whether annotators find classes by typing, so that letters cannot be shortcuts."""
        return self.picker(n_classes) == "search"

    def keys(self, class_keys: Mapping[str, str]) -> dict[str, str]:
        """Return the key of each possible answer. `class_keys`: the keys of the classes by name, "" for none."""
        return dict(class_keys)


def first_keys(names: Sequence[str]) -> list[str]:
    """Return the keys of a new project's classes: the digit keys in order, then "". If all names are digits, the names.

    >>> first_keys(["cat", "dog"]), first_keys(["0", "1"])
    (['1', '2'], ['0', '1'])
    """
    if all(len(name) == 1 and name in KEYS for name in names):
        return list(names)
    return [*KEYS, *[""] * len(names)][: len(names)]


def class_index(value: Any, indices: Mapping[str, int]) -> int:
    """Return the index of the named class; clients may send the classes 0 to 9 as numbers. Raises `InvalidValue`."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidValue(gettext("The answer must be the name of a class."))
    try:
        return indices[str(value)]
    except KeyError:
        raise InvalidValue(gettext("This project has no class “%(name)s”.") % {"name": str(value)[:60]}) from None
