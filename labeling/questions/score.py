"""A score on a scale, for example 1 to 5: the classes are the points of the scale in order."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext, gettext_noop

from labeling.questions.base import KEYS, GridBy, InvalidValue, Names, class_index
from labeling.questions.single import Single


class Score(Single):
    """The question which point of a scale an item has. A stored value is the index of a point; clients receive the
    point, a number.

    The training loss of a prediction grows with its distance from the label.
    """

    name = "score"
    title = "a score on a scale"
    offer = "A score on a scale, such as 1 to 5. “How good is it?”"
    prompt = gettext_noop("Which score?")
    prompt_for_managers = gettext_noop("Which score?")
    answer = "a number"
    grid_by = GridBy.NOTHING
    ordered = True
    fixed_classes = fixed_scale = gettext_noop("The classes are the points of a scale.")
    exported_as = int

    def check_classes(self, names: Sequence[str]) -> None:
        first = int(names[0]) if names[0].isdecimal() and names[0].isascii() else None
        if first is None or list(names) != [str(first + place) for place in range(len(names))]:
            raise InvalidValue(
                gettext(
                    "The classes of a score are the points of its scale: whole numbers, each one more than the one "
                    "before, such as 1, 2, 3, 4, 5."
                )
            )
        if len(names) > len(KEYS):
            sentence = gettext("A scale may have at most %(most)s points, one for each digit key.")
            raise InvalidValue(sentence % {"most": len(KEYS)})

    def parse(self, shown: Any, indices: Mapping[str, int]) -> int:
        try:
            return class_index(shown, indices)
        except InvalidValue:
            sentence = gettext("The answer must be a point of the scale, not “%(value)s”.")
            raise InvalidValue(sentence % {"value": str(shown)[:60]}) from None

    def show(self, value: int | None, names: Names) -> Any:
        return None if value is None else int(names[value])

    def encoded(self, shown: Any, places: Mapping[str, int]) -> Any:
        """Return the score itself."""
        return shown

    def distance(self, value: int, right: int) -> int:
        return abs(value - right)

    def distances(self, values: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.abs(values - right)

    def settle(self, answers: Sequence[int]) -> int | None:
        """Return the median, which one far answer among three does not move.

        With an even number of answers: the lower of the two middle answers if they are at most one point apart, else
        None.
        """
        low, high = _middle(answers)
        return low if high - low <= 1 else None

    def settle_clearly(self, answers: Sequence[int]) -> int | None:
        low, high = _middle(answers)
        return low if low == high else None

    def picker(self, n_classes: int) -> str:
        return "scale"


def _middle(answers: Sequence[int]) -> tuple[int, int]:
    """Return the two middle answers in ascending order; for an odd number of answers, the median twice."""
    ordered = sorted(answers)
    return ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
