"""Decide whether a model's label is wrong, given people's label of the same item."""

from __future__ import annotations

from labeling.questions.base import Question, Stored


def is_wrong(question: Question, predicted: Stored, label: Stored, *, within: int = 0) -> bool:
    """Return whether a model's stored value is wrong as a whole.

    within : for questions whose classes are a scale: the points by which a right label may differ.
    """
    if within and not question.ordered:
        raise ValueError(f"Answers to {question.name} are no points of a scale: `within` must be 0.")
    if within:
        return abs(int(predicted) - int(label)) > within  # type: ignore[arg-type]
    return question.key(predicted) != question.key(label)


def wrong_classes(question: Question, predicted: Stored, label: Stored) -> set[int]:
    """Return the classes about which a model's stored value is wrong, for a question with a decision a class."""
    if not question.per_class:
        raise ValueError(f"Answers to {question.name} are no decisions by class.")
    return set(question.counted(predicted)) ^ set(question.counted(label))
