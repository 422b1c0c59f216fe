"""The answers to one item, each weighed by how reliable its author is, and whether they are enough."""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

Person = TypeVar("Person", bound=Hashable)

ACCURACY = 0.9
"""Of a person of whom nothing is known: the mean of the prior."""

STRENGTH = 10.0
"""The prior counts as so many answers."""

CLIP = 0.001
"""Nobody is taken to be always right, or always wrong."""

MOST_SURE = 0.95
"""A model's word counts at most so much: what it is surest of it may have learned from the same mistakes."""

LEAST_SUPPORT = 2 / 3
"""A label with less has no label's worth: it is to be at least twice as probable as all the others together."""

MOST_SKIPS = 2
"""When so many people cannot answer an item, no more are asked."""

LEAST_OF_USUAL = 0.5
"""Of what the median person knows beyond chance: whose answers are worth less is not asked about items in doubt."""


class Vote(NamedTuple):
    """One person's answer, and the share of their answers that are right."""

    value: Hashable
    accuracy: float = ACCURACY


class Word(NamedTuple):
    """What a model that has not seen the answers takes an item for, and how probable that is."""

    value: Hashable
    probability: float


def posterior(votes: Sequence[Vote], n_values: int, word: Word | None = None) -> dict[Hashable, float]:
    """The probability of each value that was answered, or that the model named; what is left to one is the others'.

    Somebody of accuracy a answers what is true with probability a, and each of the other `n_values` - 1 alike. Before
    anybody has answered each value is as probable as another, or as the model says.

    >>> posterior([Vote("cat"), Vote("dog"), Vote("cat")], 2)
    {'cat': 0.9, 'dog': 0.1}
    """
    wrong = max(n_values - 1, 1)
    values = list(dict.fromkeys([vote.value for vote in votes] + ([word.value] if word else [])))
    sure = min(max(word.probability, 1 / n_values), MOST_SURE) if word else 1 / n_values
    accuracies = [min(max(vote.accuracy, CLIP), 1 - CLIP) for vote in votes]

    def log_mass(value: Hashable) -> float:
        prior = sure if word is None or value == word.value else (1 - sure) / wrong
        right = (vote.value == value for vote in votes)
        return math.log(prior) + sum(
            math.log(a if hit else (1 - a) / wrong) for a, hit in zip(accuracies, right, strict=True)
        )

    logs = [log_mass(value) for value in values]
    others = n_values - len(values)
    if others > 0:
        logs.append(log_mass(object()) + math.log(others))
    top = max(logs, default=0.0)
    masses = [math.exp(log - top) for log in logs]
    return {value: round(mass / sum(masses), 12) for value, mass in zip(values, masses, strict=False)}


def asks_another(
    votes: Sequence[Vote], skips: int, *, n_values: int, word: Word | None = None, confidence: float
) -> bool:
    """Whether one more person is to answer: as long as no answer is right with this probability.

    Of an item that somebody has skipped and nobody answered, one more is asked.
    """
    if not votes:
        return skips < MOST_SKIPS
    probabilities = posterior(votes, n_values, word)
    return max(probabilities[vote.value] for vote in votes) < confidence


def worth_asking(accuracies: Mapping[Person, float], n_values: int) -> set[Person]:
    """Those whose word on an item in doubt is worth its price: they are right beyond chance at least half as often as
    the median person. Of people who know little beyond chance, all.

    >>> sorted(worth_asking({"ann": 0.95, "bob": 0.9, "cy": 0.15}, 10))
    ['ann', 'bob']
    """
    chance = 1 / max(n_values, 2)
    beyond = {person: max(0.0, (accuracy - chance) / (1 - chance)) for person, accuracy in accuracies.items()}
    usual = statistics.median(beyond.values()) if beyond else 0.0
    return {person for person, known in beyond.items() if known >= LEAST_OF_USUAL * usual}
