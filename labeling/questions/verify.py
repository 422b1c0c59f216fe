"""Yes or no on one proposed class."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext, gettext_noop

from labeling.questions.base import NO_CLASS_FITS, SKIP_REASONS, Editor, GridBy, InvalidValue, Names, QuestionOf

YES_OR_NO = {"true": True, "1": True, "1.0": True, "yes": True, "false": False, "0": False, "0.0": False, "no": False}
"""Yes and no as cells of tables have them."""


class Verify(QuestionOf[bool]):
    """The question whether the proposed class is right. A stored value is a bool."""

    name = "verify"
    title = "yes or no on a proposed class"
    offer = "Yes or no on one proposed class. “Is there a kayak in it?”"
    prompt = gettext_noop("Is this right?")
    answer = "true or false"
    proposes = True
    grid_by = GridBy.PROPOSED
    answers = ("no", "yes")
    fixed_classes = gettext_noop(
        "Each answer is about the class that its item proposes: it would not hold for another class."
    )
    exported_as = bool
    editor = Editor.YES_OR_NO
    skip_reasons = [reason for reason in SKIP_REASONS if reason != NO_CLASS_FITS]

    def names_in(self, shown: Any) -> set[str]:
        return set()

    def parse(self, shown: Any, indices: Mapping[str, int]) -> bool:
        if not isinstance(shown, bool):
            raise InvalidValue(gettext("The answer must be true or false."))
        return shown

    def show(self, value: bool | None, names: Names) -> Any:
        return value

    def label_names(self, shown: Any) -> list[str]:
        return [self.answers[shown]]

    def from_parts(self, parts: Sequence[Any]) -> Any:
        text = str(parts[0] if len(parts) == 1 else parts)
        try:
            return YES_OR_NO[text.strip().lower()]
        except KeyError:
            raise InvalidValue(f'"{text[:60]}" is not one of true, false, 1, 0, yes, no') from None

    def spelled(self, parts: Sequence[Any], spell: Callable[[Any], str]) -> list[Any]:
        return list(parts)

    def encoded(self, shown: Any, places: Mapping[str, int]) -> Any:
        return shown

    def classes_in(self, value: bool) -> Sequence[int]:
        return []

    def classes_of(self, value: bool, proposed: int | None) -> Sequence[int]:
        return [proposed] if value and proposed is not None else []

    def counted(self, value: bool) -> Sequence[int]:
        return [int(value)]

    def mistaken(self, value: bool, n_classes: int, rng: np.random.Generator) -> bool:
        return not value

    def as_answer(self, best: int) -> bool:
        return bool(best)

    def targets(self, labels: Sequence[bool], n_classes: int) -> np.ndarray:
        """Return the labels as (n,) bool."""
        return np.array(labels, bool)

    def picker(self, n_classes: int) -> str:
        return "verify"

    def keys(self, class_keys: Mapping[str, str]) -> dict[str, str]:
        return {"true": "y", "false": "n"}
