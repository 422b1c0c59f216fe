"""Decide whether a model's label is wrong, given people's label of the same item."""

from __future__ import annotations

from labeling.questions.base import Question, Stored


def is_wrong(
    question: Question, predicted: Stored, label: Stored, *, within: int = 0, of_class: int | None = None
) -> bool:
    """Return whether a model's stored value is wrong.

    within : for questions whose classes are a scale: the points by which a right label may differ.
    of_class : for questions with a decision a class: compare only whether this class applies. None compares whole
        values.
    """
    if within and not question.ordered:
        raise ValueError(f"Answers to {question.name} are no points of a scale: `within` must be 0.")
    if of_class is not None:
        if not question.per_class:
            raise ValueError(f"Answers to {question.name} are no decisions by class: leave out `of_class`.")
        return (of_class in question.counted(predicted)) != (of_class in question.counted(label))
    if within:
        return abs(int(predicted) - int(label)) > within  # type: ignore[arg-type]
    return question.key(predicted) != question.key(label)
