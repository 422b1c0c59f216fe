"""A score on a scale, such as 1 to 5: the classes are its points in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from labeling.questions.base import KEYS, InvalidValue, Names, Question, Stored, class_index


class Score(Question):
    """Stored is the place on the scale; shown is the point, a number. A near miss costs a model less than a far one."""

    name = "score"
    title = "a score on a scale"
    offer = "A score on a scale, such as 1 to 5. “How good is it?”"
    prompt = "Which score?"
    prompt_for_managers = "Which score?"
    answer = "a number"
    ordered = True
    fixed_classes = fixed_scale = "The classes are the points of a scale."
    exported_as = "number"

    def check_classes(self, names: Sequence[str]) -> None:
        first = int(names[0]) if names[0].isdecimal() and names[0].isascii() else None
        if first is None or list(names) != [str(first + place) for place in range(len(names))]:
            raise InvalidValue(
                "The classes of a score are the points of its scale: whole numbers, each one more than the one before, "
                "such as 1, 2, 3, 4, 5."
            )
        if len(names) > len(KEYS):
            raise InvalidValue(f"A scale may have at most {len(KEYS)} points, one for each digit key.")

    def parse(self, value: Any, indices: Mapping[str, int]) -> Stored:
        try:
            return class_index(value, indices)
        except InvalidValue:
            raise InvalidValue(f"The answer must be a point of the scale, not {str(value)[:60]!r}.") from None

    def show(self, value: Stored | None, names: Names) -> Any:
        return None if value is None else int(names[value])  # type: ignore[index]

    def settle(self, answers: Sequence[Stored]) -> Stored | None:
        """The median: one far answer among three moves nothing. Between two points beside each other, the lower; None
        if the two in the middle are further apart.
        """
        low, high = _middle(answers)
        return low if high - low <= 1 else None

    def settle_clearly(self, answers: Sequence[Stored]) -> Stored | None:
        low, high = _middle(answers)
        return low if low == high else None

    def picker(self, n_classes: int) -> str:
        return "scale"


def _middle(answers: Sequence[Stored]) -> tuple[int, int]:
    """The two answers in the middle of the order; twice the same one where the number of answers is odd."""
    ordered = sorted(cast("Sequence[int]", answers))
    return ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
