"""What one kind of question is. Values in, values out: no rows, no network.

The half that is about logits, losses and margins has the same name in `models_store.questions`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from enum import Enum
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


class GridBy(Enum):
    """What the items of one grid have in common."""

    NOTHING = "nothing"  # the question is not asked in grids
    PROPOSED = "proposed"  # the class that their items propose
    SHOWN = "shown"  # the answer that is suggested to annotators


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
    answer: ClassVar[str] = "a class name"
    """The form of an answer, as the API's reference names it."""
    value_is_list: ClassVar[bool] = False
    """Whether a stored value is a list of class indices. On the screen such an answer is put together, then sent."""
    per_class: ClassVar[bool] = False
    """Whether each class of an item is a decision of its own, yes or no."""
    best_is_no_answer: ClassVar[str] = ""
    """Why a model's most probable class is not a whole answer, if so: the end of a sentence that begins with "Where".
    Predictions are not compared with labels then."""
    ordered: ClassVar[bool] = False
    """Whether the classes are points of a scale, one apart: then a wrong answer can be near or far."""
    grid_by: ClassVar[GridBy] = GridBy.NOTHING
    """What the items of one grid have in common, if many may be answered at once."""
    answers: ClassVar[tuple[str, ...]] = ()
    """Names of the answers, by index, where they are not the project's classes."""
    exported_as: ClassVar[str] = "text"
    """The type of a label in an export: a key of `labeling.outgoing.formats.base.LABELS`."""
    skip_reasons: ClassVar[list[str]] = SKIP_REASONS

    fixed_classes: ClassVar[str] = ""
    """Why classes can be neither merged nor archived, if so."""
    fixed_scale: ClassVar[str] = ""
    """Why classes can be neither added, renamed nor put into another order, if so."""

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

    def key(self, value: Stored) -> Hashable:
        """A stored value as something that can be counted."""
        return tuple(value) if isinstance(value, list) else value

    def counted(self, value: Stored) -> list[int]:
        """The class indices that a stored value counts for in counts by class; no and yes are 0 and 1."""
        return [int(value)]  # type: ignore[arg-type]

    def possible(self, n_classes: int) -> int:
        """How many different answers people may give, as far as they are mistaken for one another."""
        return len(self.answers) or n_classes

    def resolve(self, answers: Sequence[Stored]) -> tuple[Stored | None, float | None]:
        """The label that answers to one task amount to, and the share of them that agree with it.

        No answers (all skipped): neither. A tie: no label, and the share of the most frequent answer.
        """
        if not answers:
            return None, None
        label = self.settle(answers)
        if label is None:
            return None, max(Counter(map(self.key, answers)).values()) / len(answers)
        return label, sum(answer == label for answer in answers) / len(answers)

    def settle(self, answers: Sequence[Stored]) -> Stored | None:
        """The label of at least one answer: the most frequent. None if two are: nobody knows which is right."""
        (label, most), *others = Counter[Any](answers).most_common(2)
        return None if others and others[0][1] == most else label

    def settle_clearly(self, answers: Sequence[Stored]) -> Stored | None:
        """The label of at least one answer; None where as many answers speak against the label as for it."""
        return self.settle(answers)

    def follow(self, value: Stored, merges: Mapping[int, int]) -> Stored:
        """A stored value where each class that was merged is the one that it has become."""
        return merges.get(value, value)  # type: ignore[arg-type]

    def predicted(self, best: int, names: Names) -> Any:
        """A model's best class (`models_store.questions.Decision.best`) as clients see it."""
        return self.show(best, names)

    def as_answer(self, best: int) -> Stored:
        """A model's best class as a stored value."""
        return best

    def prediction(
        self, best: int, confidence: float, probabilities: np.ndarray | None
    ) -> tuple[Stored, float | list[float]]:
        """The stored value that a model predicts, and its probability.

        probabilities: (n_classes,) of each class, known where `value_is_list`. Then the value has a probability for
        each of its classes.
        """
        return self.as_answer(best), confidence

    def targets(self, labels: Sequence[Any], n_classes: int) -> np.ndarray | ClassSets:
        """Labels as a network learns them: (n,) int64."""
        return np.array(labels, np.int64)

    def picker(self, n_classes: int) -> str:
        """The name of the annotator's way to answer: a module of static/js/label/pickers."""
        return "buttons" if n_classes <= len(KEYS) else "search"

    def searches(self, n_classes: int) -> bool:
        """Whether annotators find classes by typing: letters are no shortcuts then."""
        return self.picker(n_classes) == "search"

    def keys(self, names: Sequence[str], own: Mapping[str, str] | None = None) -> dict[str, str]:
        """The key of each value that can be chosen; none beyond ten classes. The annotator's screen does it alike.

        `own`: keys that a manager has given to classes. Classes that are all called by one digit bear their own name's;
        others their place's, of those that are left.
        """
        own = {name: key for name, key in (own or {}).items() if name in names}
        if len(names) > len(KEYS):
            return {}
        if not own and all(len(name) == 1 and name in KEYS for name in names):
            return {name: name for name in names}
        left = iter(key for key in KEYS if key not in own.values())
        return {name: own.get(name) or next(left) for name in names}


def class_index(value: Any, indices: Mapping[str, int]) -> int:
    """The index of the class that is named; classes called 0 to 9 are often sent as numbers. Raises `InvalidValue`."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidValue("The answer must be the name of a class.")
    try:
        return indices[str(value)]
    except KeyError:
        raise InvalidValue(f"This project has no class {str(value)[:60]!r}.") from None
