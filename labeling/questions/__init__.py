"""The kinds of question that a project can ask: one file each, all that differs between them on one object.

    from labeling import questions

    questions.named("multi").parse(["cat"], {"cat": 0})  # → [0]

A kind that is new gets a file here, one in `models_store/questions/`, and a line in both tables.
"""

from __future__ import annotations

from collections.abc import Callable

from labeling.questions.base import InvalidValue, Names, Question, Stored
from labeling.questions.multi import Multi
from labeling.questions.score import Score
from labeling.questions.single import Single
from labeling.questions.verify import Verify

__all__ = ["QUESTIONS", "InvalidValue", "Names", "Question", "Stored", "choices", "listed", "named"]

QUESTIONS: dict[str, Question] = {question.name: question for question in (Single(), Multi(), Verify(), Score())}
"""By name, in the order in which they are offered."""


def named(name: str) -> Question:
    """The question of that name. Raises KeyError."""
    return QUESTIONS[name]


def choices() -> list[tuple[str, str]]:
    """For a field of a table."""
    return [(question.name, question.title) for question in QUESTIONS.values()]


def listed(holds: Callable[[Question], object]) -> str:
    """The names of the questions for which `holds` is true, as a sentence lists them: "single or multi"."""
    return " or ".join(question.name for question in QUESTIONS.values() if holds(question))
