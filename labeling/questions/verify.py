"""Yes or no on one proposed class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext, gettext_noop

from labeling.questions.base import NO_CLASS_FITS, SKIP_REASONS, GridBy, InvalidValue, Names, Question, Stored


class Verify(Question):
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
    exported_as = "boolean"
    skip_reasons = [reason for reason in SKIP_REASONS if reason != NO_CLASS_FITS]

    def names_in(self, value: Any) -> set[str]:
        return set()

    def parse(self, value: Any, indices: Mapping[str, int]) -> Stored:
        if not isinstance(value, bool):
            raise InvalidValue(gettext("The answer must be true or false."))
        return value

    def show(self, value: Stored | None, names: Names) -> Any:
        return value

    def follow(self, value: Stored, merges: Mapping[int, int]) -> Stored:
        return value

    def predicted(self, best: int, names: Names) -> Any:
        return bool(best)

    def as_answer(self, best: int) -> Stored:
        return bool(best)

    def targets(self, labels: Sequence[Any], n_classes: int) -> np.ndarray:
        """Return the labels as (n,) bool."""
        return np.array(labels, bool)

    def picker(self, n_classes: int) -> str:
        return "verify"

    def keys(self, class_keys: Mapping[str, str]) -> dict[str, str]:
        return {"true": "y", "false": "n"}
