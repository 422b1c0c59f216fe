"""Weigh the answers to one item by their authors' accuracies."""

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

ACCURACY = 0.9
"""The accuracy of a person without checked answers: the mean of the prior."""

STRENGTH = 10.0
"""The weight of the prior, as a number of answers."""

CLIP = 0.001
"""Accuracies are clipped to [`CLIP`, 1 - `CLIP`]: no person counts as always right or always wrong."""

MOST_SURE = 0.95
"""The highest probability that a model's prediction counts with: it may have learned the same mistakes."""

LEAST_SUPPORT = 2 / 3
"""The least probability of a label: it must be twice as probable as all other values together."""


class Vote(NamedTuple):
    """One person's answer, and the share of their answers that are right."""

    value: Hashable
    accuracy: float = ACCURACY


class AnswerSpace(NamedTuple):
    """The answers among which people's errors spread.

    values : the number of possible answers, the right one included (`Question.possible`).
    decisions : with several, each of so many classes of an item is a decision of its own (`Question.decisions`).
    """

    values: int
    decisions: int = 1


class ModelVote(NamedTuple):
    """The prediction for an item by a model that has not learned from its answers, and the prediction's probability."""

    value: Hashable
    probability: float


def posterior(votes: Sequence[Vote], n_values: int, word: ModelVote | None = None) -> dict[Hashable, float]:
    """Compute the probability of each value that was answered or that the model predicts.

    A person of accuracy a gives the true answer with probability a, and each of the other `n_values` - 1 answers with
    the same probability. The prior is uniform without `word`; with it, the model's value has the model's probability.

    Parameters
    ----------
    votes : sequence of Vote
        The answers to one item.
    n_values : int
        The number of possible values.
    word : ModelVote or None
        The model's prediction.

    Returns
    -------
    dict from value to float
        The values without an entry share the rest of the probability.

    Examples
    --------
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
