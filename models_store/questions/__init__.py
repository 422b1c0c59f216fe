"""The kinds of question that a model can answer, one file each: all that differs between them in numbers.

    single   one class of many      softmax over the classes
    multi    any number of classes  a sigmoid per class
    verify   yes or no on one       the sigmoid of the proposed class; the others are not looked at
    score    a point of a scale     softmax over the points, taught to miss by little

`labeling.questions` has the other half under the same names: what people are asked, and what is stored.
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
    """The question of that name. Raises ValueError."""
    if name not in _KNOWN:
        raise ValueError(f"unknown question {name!r}; known: {', '.join(QUESTIONS)}")
    return _KNOWN[name]
