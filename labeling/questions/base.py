"""The base class of all questions. Values in, values out: no rows, no network.

`models_store.questions` has a class of the same name for each question: its logits, losses and margins.
"""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar, Generic, NewType, TypeVar

import numpy as np
from django.db.models import Q
from django.utils.translation import gettext, gettext_noop

from models_store.class_sets import ClassSets

Stored = NewType("Stored", object)
"""An answer as the database stores it. Only the question's own methods look inside."""
Shown = Any
"""An answer as clients send and receive it, with the names of classes. Likewise."""
Value = TypeVar("Value")
"""The type of a question's stored values."""
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


class Editor(Enum):
    """The fields in which reviewers and managers correct a label."""

    YES_OR_NO = "yes or no"
    ONE_CLASS = "one class"  # buttons, or a text field with proposals if there are many classes
    CLASSES = "classes"  # a box for each class; of many classes those at hand, and a text field for one more
    CELL = "cell"  # a text field with the answer as in a cell of a table


class InvalidValue(ValueError):
    """The value does not answer the project's question; the message names the accepted values."""


class QuestionOf(ABC, Generic[Value]):
    """A kind of question, and every rule for its answers.

    An answer has three forms. The *stored* value is in the database, with class indices. The *shown* value is what
    clients send and receive, with class names. A *cell* is a shown value in a table; imports read it in *parts*.
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
    several: ClassVar[bool] = False
    """Whether an answer may name several classes. Annotators then choose them before they submit."""
    per_class: ClassVar[bool] = False
    """Whether each class of an item is a decision of its own, yes or no, with a probability of its own."""
    why_best_class_is_no_answer: ClassVar[str] = ""
    """The reason why a model's most probable class is not a whole answer, as the end of a sentence that begins with
    "Where"; pages then do not compare predictions with labels. Empty if that class is an answer: stored values are then
    numbers, and arrays of them are (n,) int64."""
    answer_arrays: ClassVar[tuple[str, str]] = ("best", "confidence")
    """The names of a version's arrays that have a whole answer for each item of the pool, and its probability."""
    predicts_from: ClassVar[tuple[str, ...]] = ()
    """The optional results of `models_store.prediction.predict` that `prediction` needs."""
    ordered: ClassVar[bool] = False
    """Whether the classes are points of a scale at equal distances, so that a wrong answer can be near or far."""
    grid_by: ClassVar[GridBy] = GridBy.NOTHING
    """The value that all items of a grid share, if annotators may answer many items at once."""
    answers: ClassVar[tuple[str, ...]] = ()
    """The texts of the answers, by index, if the answers are not the project's classes."""
    exported_as: ClassVar[Any] = str
    """The type of a label in an export: str, int or bool, a list of one type, or a dict of types by name."""
    editor: ClassVar[Editor] = Editor.ONE_CLASS
    checks_content: ClassVar[bool] = False
    """Whether `check_content` looks at the item. Answers then take one more query."""
    skip_reasons: ClassVar[list[str]] = SKIP_REASONS

    fixed_classes: ClassVar[str] = ""
    """Why classes can be neither merged nor archived; empty if they can."""
    fixed_scale: ClassVar[str] = ""
    """Why classes can be neither added, renamed nor reordered; empty if they can."""

    def check_classes(self, names: Sequence[str]) -> None:
        """Raise `InvalidValue` if a project with this question cannot have classes with these names."""

    # Shown values

    def names_in(self, shown: Any) -> set[str]:
        """Return the class names that a client's value may contain: at most `MAX_NAME` characters each, and no NUL."""
        is_name = isinstance(shown, str | int) and not isinstance(shown, bool)
        return {str(shown)} if is_name and len(str(shown)) <= MAX_NAME and "\x00" not in str(shown) else set()

    @staticmethod
    def names_sent(shown: Any) -> int:
        """Return the number of class names that a client sent in a value, whether or not the question takes several."""
        return len(shown) if isinstance(shown, list) else 1

    @abstractmethod
    def parse(self, shown: Any, indices: Mapping[str, int]) -> Value:
        """Turn a client's value into a stored value. Raises `InvalidValue`.

        `indices` maps class names to class indices; it needs only the names that `names_in` returns for the value.
        """

    @abstractmethod
    def show(self, value: Value | None, names: Names) -> Any:
        """Turn a stored value into the value that clients receive. None stays None."""

    def check_content(self, value: Value, content: Mapping[str, Any]) -> None:
        """Raise `InvalidValue` if a stored value does not fit the item with this content (`Item.data`), for example if
        it marks text behind the end. Only if `checks_content`.
        """

    def label_names(self, shown: Any) -> list[str]:
        """Return the names by which exports, folders and other tools sort a shown value: its class names, a score, yes
        or no. Empty if no class applies.
        """
        return [str(shown)]

    def words(self, shown: Any) -> list[str]:
        """Return a shown value for people: texts that pages join with commas, one if `answers` names it."""
        return self.label_names(shown)

    def cell(self, shown: Any) -> str:
        """Return a shown value as the cell of a table for people; `from_cell` reads it."""
        return self.label_names(shown)[0]

    def from_cell(self, cell: Any) -> Any:
        """Return the shown value in a cell. Raises `InvalidValue`."""
        return self.from_parts(self.split(cell))

    def split(self, cell: Any) -> list[Any]:
        """Return the parts of a cell. A list, which cells of JSON files may be, stays a list."""
        return cell if isinstance(cell, list) else [cell]

    def named(self, part: Any) -> Any:
        """Return the class name in a part of a cell."""
        return part

    def spelled(self, parts: Sequence[Any], spell: Callable[[Any], str]) -> list[Any]:
        """Return the parts of a cell with the names of classes as the project writes them, by `spell`."""
        return [spell(part) for part in parts]

    def from_parts(self, parts: Sequence[Any]) -> Any:
        """Return the shown value with these parts. Raises `InvalidValue` with the end of a sentence about them."""
        if len(parts) != 1:
            raise InvalidValue(f"names {len(parts)} classes, but this project asks for one")
        return parts[0]

    def encoded(self, shown: Any, places: Mapping[str, int]) -> Any:
        """Return a shown value with the place of each class for its name: a number, or a list of numbers. None for a
        class that is not in `places`.
        """
        return places.get(shown)

    # Stored values

    def key(self, value: Any) -> Hashable:
        """Return a hashable form of a stored or shown value, for counts: of an answer with several `decisions`, its
        ascending parts as a tuple.
        """
        return value

    def from_key(self, key: Any) -> Value:
        """Return the stored value with this key."""
        stored: Value = key
        return stored

    def key_by_names(self, value: Value | None, names: Names) -> Hashable:
        """Return a key that equal answers of all projects share, whatever the indices of their classes."""
        return self.show(value, names)

    @abstractmethod
    def classes_in(self, value: Value) -> Sequence[int]:
        """Return the indices of the classes that a stored value names; none for yes and no."""

    def classes_of(self, value: Value, proposed: int | None) -> Sequence[int]:
        """Return the indices of the classes of an item with this label and this proposed class."""
        return self.classes_in(value)

    def counted(self, value: Value) -> Sequence[int]:
        """Return the indices of answers under which counts by class count a stored value; no is 0 and yes is 1. Exactly
        one unless `per_class`.
        """
        return self.classes_in(value)

    def counted_each(self, values: np.ndarray) -> np.ndarray:
        """Return the index (n,) under which each entry of the first of `answer_arrays` counts, unless `per_class`."""
        return values

    def confused(self, value: Value, right: Value) -> list[tuple[int | None, int | None]]:
        """Return the pairs (answered, right) of indices as in `counted`, for a table of confusions. With `per_class` a
        pair for each class in either; None stands where one lacks it.
        """
        one, other = self.counted(value), self.counted(right)
        if not self.per_class:
            return [(one[0], other[0])]
        return [(i if i in one else None, i if i in other else None) for i in sorted({*one, *other})]

    def weight(self, value: Any) -> int:
        """Return the number of classes that a stored or shown value lists; 0 for values that all take equal space."""
        return 0

    def with_class(self, value: Value | None, index: int) -> Value:
        """Return the label of an item that turns out to be of this class; `value` is its label until now."""
        return self.as_answer(index)

    def holding(self, field: str, answers: Sequence[int | bool]) -> Q:
        """Return the condition that the stored value in this field is one of these answers, or names one of these
        classes.
        """
        condition = Q()
        for answer in answers:
            condition |= Q(**{field: answer})
        return condition

    def follow(self, value: Value, merges: Mapping[int, int]) -> Value:
        """Return the stored value, with each merged class replaced by the class that it was merged into."""
        return value

    # Right and wrong

    def distance(self, value: Value, right: Value) -> int:
        """Return how far an answer is from the right one: in points on a scale, else 0 if it is equal and 1 if not."""
        return int(self.key(value) != self.key(right))

    def distances(self, values: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return `distance` for (n,) answers and (n,) right ones, unless `why_best_class_is_no_answer`."""
        return (values != right).astype(np.int64)

    def is_wrong(self, value: Value, right: Value, *, within: int = 0) -> bool:
        """Return whether a model's answer is wrong as a whole, given people's. `within`: the points of a scale by which
        a right answer may differ. Raises ValueError if there is no scale.
        """
        if within and not self.ordered:
            raise ValueError(f"answers to {self.name} are no points of a scale: `within` must be 0")
        return self.distance(value, right) > within

    def wrong_classes(self, value: Value, right: Value) -> set[int]:
        """Return the classes about which an answer is wrong. Raises ValueError unless `per_class`."""
        if not self.per_class:
            raise ValueError(f"answers to {self.name} are no decisions by class")
        return set(self.counted(value)) ^ set(self.counted(right))

    @abstractmethod
    def mistaken(self, value: Value, n_classes: int, rng: np.random.Generator) -> Value:
        """Return a wrong answer near this right one, at random, as a simulated annotator gives it."""

    # Several answers

    def possible(self, n_classes: int) -> int:
        """Return the number of answers among which people's mistakes spread, the right answer included."""
        return len(self.answers) or n_classes

    def decisions(self, n_classes: int) -> int:
        """Return the number of parts of an item's answer, such as classes, among which a person's errors spread, if
        each is a decision of its own; else 1.
        """
        return 1

    def resolve(self, answers: Sequence[Value]) -> tuple[Value | None, float | None]:
        """Return the label that the answers to one task result in, and their `agreement`. In a tie no label; (None,
        None) without answers, if all people skipped the task.
        """
        label = self.settle(answers) if answers else None
        return label, self.agreement(answers, label)

    def agreement(self, answers: Sequence[Value], label: Value | None) -> float | None:
        """Return the share of the answers that equal the label; without a label, that of the most frequent answer. None
        without answers.
        """
        counts = Counter(map(self.key, answers))
        equal = max(counts.values(), default=0) if label is None else counts[self.key(label)]
        return equal / len(answers) if answers else None

    def settle(self, answers: Sequence[Value]) -> Value | None:
        """Return the most frequent of one or more answers. None if two answers are equally frequent."""
        (label, most), *others = Counter(map(self.key, answers)).most_common(2)
        if others and others[0][1] == most:
            return None
        return next(answer for answer in answers if self.key(answer) == label)

    def settle_clearly(self, answers: Sequence[Value]) -> Value | None:
        """Return the label of one or more answers; None if as many answers speak against the label as for it."""
        return self.settle(answers)

    # A model's answers

    @abstractmethod
    def as_answer(self, best: int) -> Value:
        """Return a model's best class (`models_store.questions.Decision.best`) as a stored value."""

    def predicted(self, best: int, names: Names) -> Any:
        """Return a model's best class in the form that clients receive."""
        return self.show(self.as_answer(best), names)

    def whole(self, entry: Any) -> Value:
        """Return an entry of the first of `answer_arrays`, as a number or a list of numbers, as a stored value."""
        return self.as_answer(entry)

    def prediction(
        self, best: int, confidence: float, probabilities: np.ndarray | None
    ) -> tuple[Value, float | list[float]]:
        """Return the stored value that a model predicts, and its probability.

        probabilities: (n_classes,) the probability of each class, if `predicts_from` names them. With `per_class`, the
        result has a probability for each class of the value.
        """
        return self.as_answer(best), confidence

    @abstractmethod
    def targets(self, labels: Sequence[Value], n_classes: int) -> np.ndarray | ClassSets:
        """Return n labels in the form that a network is trained on (`models_store.questions.Question`)."""

    # The annotator's screen

    def picker(self, n_classes: int) -> str:
        """Return the module of static/js/label/pickers that the annotator's screen uses."""
        return "buttons" if n_classes <= len(KEYS) else "search"

    def searches(self, n_classes: int) -> bool:
        """Return whether annotators find classes by typing, so that letters cannot be shortcuts."""
        return self.picker(n_classes) == "search"

    def keys(self, class_keys: Mapping[str, str]) -> dict[str, str]:
        """Return the key of each possible answer. `class_keys`: the keys of the classes by name, "" for none."""
        return dict(class_keys)


Question = QuestionOf[Stored]
"""A question as all other code has it."""


def class_index(value: Any, indices: Mapping[str, int]) -> int:
    """Return the index of the named class; clients may send the classes 0 to 9 as numbers. Raises `InvalidValue`."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidValue(gettext("The answer must be the name of a class."))
    try:
        return indices[str(value)]
    except KeyError:
        raise InvalidValue(gettext("This project has no class “%(name)s”.") % {"name": str(value)[:60]}) from None


def json_list(cell: str) -> list[Any] | None:
    """Return the list that a cell has as JSON; None if it is no such list."""
    try:
        value = json.loads(cell) if cell.startswith("[") else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None
