"""The kinds of question that a project can ask: one file each, all that differs between them on one object.

    from labeling import questions

    questions.named("multi").parse(["cat"], {"cat": 0})  # → [0]

A kind that is new gets a file here, one in `models_store/questions/`, and a line in both tables.
"""

from __future__ import annotations

from labeling.questions.base import InvalidValue, Names, Question, Stored
from labeling.questions.multi import Multi
from labeling.questions.score import Score
from labeling.questions.single import Single
from labeling.questions.verify import Verify

__all__ = ["QUESTIONS", "InvalidValue", "Names", "Question", "Stored", "choices", "named"]

QUESTIONS: dict[str, Question] = {question.name: question for question in (Single(), Multi(), Verify(), Score())}
"""By name, in the order in which they are offered."""


def named(name: str) -> Question:
    """The question of that name. Raises KeyError."""
    return QUESTIONS[name]


def choices() -> list[tuple[str, str]]:
    """For a field of a table."""
    return [(question.name, question.title) for question in QUESTIONS.values()]
