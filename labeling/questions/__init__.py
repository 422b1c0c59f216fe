"""The kinds of question that a project can ask: one file each, with one object that holds all differences.

    from labeling import questions

    questions.named("multi").parse(["cat"], {"cat": 0})  # → [0]

A new kind needs a file here, a file in `models_store/questions/`, and a line in both tables.
"""

from collections.abc import Callable
from typing import Any, cast

from django.utils.text import get_text_list
from django.utils.translation import gettext

from labeling.questions.base import InvalidValue, Names, Question, QuestionOf, Shown, Stored
from labeling.questions.multi import Multi
from labeling.questions.score import Score
from labeling.questions.single import Single
from labeling.questions.verify import Verify

__all__ = ["QUESTIONS", "InvalidValue", "Names", "Question", "Shown", "Stored", "choices", "listed", "named"]

_ALL: tuple[QuestionOf[Any], ...] = (Single(), Multi(), Verify(), Score())
QUESTIONS = {question.name: cast(Question, question) for question in _ALL}
"""The questions by name, in the order in which the form of a new project offers them."""


def named(name: str) -> Question:
    """Return the question with this name. Raises KeyError."""
    return QUESTIONS[name]


def choices() -> list[tuple[str, str]]:
    """Return the `choices` of a model field: (name, title) of each question."""
    return [(question.name, question.title) for question in QUESTIONS.values()]


def listed(holds: Callable[[Question], object]) -> str:
    """Return the names of the questions for which `holds` is true, for a sentence: "single, multi or score"."""
    names = [question.name for question in QUESTIONS.values() if holds(question)]
    return str(get_text_list(names, gettext("or")))
