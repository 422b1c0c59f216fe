"""Decide whether the answers to an item suffice, and who is asked further."""

import statistics
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

from labeling.labels.resolving import by_class
from labeling.labels.resolving.posterior import AnswerSpace, ModelVote, Vote, posterior

Person = TypeVar("Person", bound=Hashable)

MOST_SKIPS = 2
"""After this many skips and no answer, no further person is asked."""

LEAST_OF_USUAL = 0.5
"""The share of the median person's accuracy beyond chance that a person needs to be asked about items in doubt."""


def label_probabilities(votes: Sequence[Vote], space: AnswerSpace, word: ModelVote | None = None) -> dict[Any, float]:
    """Return the probability of each value that these votes can make the label: of each answer.

    With several decisions, the most probable set of classes counts like an answer, for people who err about different
    classes settle it together; `word` is ignored there, since a model's best class is no whole answer.
    """
    if space.decisions > 1:
        return by_class.posterior(votes, space.decisions)
    probabilities = posterior(votes, space.values, word)
    return {vote.value: probabilities[vote.value] for vote in votes}


def asks_another(
    votes: Sequence[Vote], skips: int, space: AnswerSpace, *, word: ModelVote | None = None, confidence: float
) -> bool:
    """Return whether one more person is asked: while each of `label_probabilities` is below `confidence`.

    An item without answers is asked until it has `MOST_SKIPS` skips.
    """
    if not votes:
        return skips < MOST_SKIPS
    return max(label_probabilities(votes, space, word).values()) < confidence


def worth_asking(accuracies: Mapping[Person, float], n_values: int) -> set[Person]:
    """Return the people to ask about items in doubt: their accuracy beyond chance is at least half of the median
    person's.

    All people if the median accuracy is no better than chance.

    >>> sorted(worth_asking({"ann": 0.95, "bob": 0.9, "cy": 0.15}, 10))
    ['ann', 'bob']
    """
    chance = 1 / max(n_values, 2)
    beyond = {person: max(0.0, (accuracy - chance) / (1 - chance)) for person, accuracy in accuracies.items()}
    usual = statistics.median(beyond.values()) if beyond else 0.0
    return {person for person, known in beyond.items() if known >= LEAST_OF_USUAL * usual}
