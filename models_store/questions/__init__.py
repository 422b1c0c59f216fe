"""The questions that a model can answer, one file each.

`labeling.questions` has the other half under the same names: the screen for people, and the stored values.
"""

from models_store.questions.base import Certainty, Decision, Question
from models_store.questions.multi import Multi
from models_store.questions.score import Score
from models_store.questions.single import Single
from models_store.questions.verify import Verify

__all__ = ["QUESTIONS", "Certainty", "Decision", "Question", "named"]

_KNOWN: dict[str, Question] = {question.name: question for question in (Single(), Multi(), Verify(), Score())}
QUESTIONS = tuple(_KNOWN)


def named(name: str) -> Question:
    """Return the question of that name. Raises ValueError for an unknown name."""
    if name not in _KNOWN:
        raise ValueError(f"unknown question {name!r}; known: {', '.join(QUESTIONS)}")
    return _KNOWN[name]
