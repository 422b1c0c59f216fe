"""Values: what people send, what is stored, what is shown; and how answers become a label. No database here.

A stored value is a class index (`single`), a sorted list of class indices (`multi`) or a bool (`verify`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from labeling.models.projects import MAX_NAME

Stored = int | list[int] | bool


class InvalidValue(ValueError):
    """The value does not answer the project's question; the message says what would."""


def parse(value: Any, *, question: str, indices: Mapping[str, int]) -> Stored:
    """Turn what a client sent (class names, or a bool) into what is stored. Raises `InvalidValue`.

    `indices` maps class names to their index; it need only hold the names that occur in `value`.
    """
    if question == "verify":
        if not isinstance(value, bool):
            raise InvalidValue("The answer must be true or false.")
        return value
    if question == "multi":
        if not isinstance(value, list):
            raise InvalidValue("The answer must be a list of class names; an empty one means that none applies.")
        return sorted({_index(name, indices) for name in value})
    return _index(value, indices)


def names_in(value: Any) -> set[str]:
    """What may be class names in a value as a client sent it: short enough, and without a NUL, which no name has."""
    values = value if isinstance(value, list) else [value]
    names = {_name(v) for v in values if isinstance(v, str | int) and not isinstance(v, bool)}
    return {name for name in names if len(name) <= MAX_NAME and "\x00" not in name}


def _name(value: str | int) -> str:
    """Classes called 0 to 9 are often sent as numbers: read them as their names."""
    return value if isinstance(value, str) else str(value)


def _index(value: Any, indices: Mapping[str, int]) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidValue("The answer must be the name of a class.")
    try:
        return indices[_name(value)]
    except KeyError:
        raise InvalidValue(f"This project has no class {_name(value)[:60]!r}.") from None


def show(value: Stored | None, names: Sequence[str] | Mapping[int, str]) -> Any:
    """Turn a stored value into what clients see: class names, or a bool. None stays None."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, list):
        return [names[index] for index in value]
    return names[value]


def resolve(answers: Sequence[Stored]) -> tuple[Stored | None, float | None]:
    """The label that answers to one task amount to, and the share of them that agree with it.

    The most frequent answer wins; of several, the one given first. For `multi`, a class is taken if more than half
    of the annotators chose it. No answers (all skipped): no label.
    """
    if not answers:
        return None, None
    if isinstance(answers[0], list):
        votes = Counter(index for answer in answers if isinstance(answer, list) for index in answer)
        label: Stored = sorted(index for index, n in votes.items() if 2 * n > len(answers))
    else:
        label = Counter(a for a in answers if not isinstance(a, list)).most_common(1)[0][0]
    return label, sum(answer == label for answer in answers) / len(answers)
