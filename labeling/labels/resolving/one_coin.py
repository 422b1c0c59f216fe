"""Estimate the probability of each answer and the accuracy of each person from all answers of a project.

Expectation maximisation of the model of `posterior`: a person is right with the same probability on every item
(Zhang et al. 2014, "one-coin"). A prior keeps the accuracy of a person with few answers near the mean.
"""

from dataclasses import dataclass

import numpy as np

from labeling.labels.resolving.posterior import ACCURACY, CLIP, MOST_SURE, STRENGTH

MOST_ROUNDS = 200
TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class AnswerTable:
    """The item, the person and the value of every answer: (n,) int64 each, counted from 0.

    Every item has an answer. `word` (items,): a model's prediction for each item, -1 for none; `sure` (items,): the
    probability of that prediction.
    """

    item: np.ndarray
    person: np.ndarray
    value: np.ndarray
    n_items: int
    n_people: int
    n_values: int
    word: np.ndarray | None = None
    sure: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """The probability (m,) that the item (m,) has the value (m,), sorted by item and value; `accuracy` (people,).

    The values that are not listed for an item share the rest of its probability evenly.
    """

    item: np.ndarray
    value: np.ndarray
    probability: np.ndarray
    accuracy: np.ndarray


def weigh(answers: AnswerTable) -> Resolved:
    """Estimate the probability of each value that was answered or predicted, and each person's accuracy.

    Takes O(answers) time a round.

    Returns
    -------
    Resolved
        Lists the answered and predicted values of each item.
    """
    n, wrong = answers.n_values, max(answers.n_values - 1, 1)
    keys = answers.item * n + answers.value
    worded = np.empty(0, np.int64) if answers.word is None else np.flatnonzero(answers.word >= 0)
    words = np.empty(0, np.int64) if answers.word is None else worded * n + answers.word[worded]
    pairs, at = np.unique(np.concatenate([keys, words]), return_inverse=True)
    item, of_answer, of_word = pairs // n, at[: len(keys)], at[len(keys) :]
    prior, other_prior = np.full(len(pairs), -np.log(n)), np.full(answers.n_items, -np.log(n))
    if answers.sure is not None and len(worded):
        sure = np.clip(answers.sure[worded], 1 / n, MOST_SURE)
        other_prior[worded] = np.log((1 - sure) / wrong)
        prior = other_prior[item]
        prior[of_word] = np.log(sure)
    others = n - np.bincount(item, minlength=answers.n_items)
    with np.errstate(divide="ignore"):
        other_prior = other_prior + np.log(others)  # -inf where every value was answered
    n_answers = np.bincount(answers.person, minlength=answers.n_people)
    accuracy = np.full(answers.n_people, ACCURACY)
    for _ in range(MOST_ROUNDS):
        known = np.clip(accuracy, CLIP, 1 - CLIP)
        miss = np.log((1 - known) / wrong)[answers.person]
        hit = np.log(known)[answers.person]
        all_miss = np.bincount(answers.item, miss, answers.n_items)
        logs = prior + all_miss[item] + np.bincount(of_answer, hit - miss, len(pairs))
        unchosen = other_prior + all_miss
        top = unchosen.copy()
        np.maximum.at(top, item, logs)
        mass = np.exp(logs - top[item])
        probability = mass / (np.bincount(item, mass, answers.n_items) + np.exp(unchosen - top))[item]
        right = np.bincount(answers.person, probability[of_answer], answers.n_people)
        before, accuracy = accuracy, (right + ACCURACY * STRENGTH) / (n_answers + STRENGTH)
        if np.abs(accuracy - before).max(initial=0) < TOLERANCE:
            break
    return Resolved(item, pairs % n, probability, accuracy)
