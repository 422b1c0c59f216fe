"""Dawid and Skene's model (1979): each person has a confusion matrix, and some classes are more frequent.

Confusion matrices represent errors that one accuracy per person cannot: a person who takes every 4 for a 9 may be right
about all other classes, while their answer 9 may mean a 4. Each matrix is shrunk towards the person's accuracy
(`one_coin.weigh`): with few answers of a class the row is close to that accuracy, with many to the plain estimate.
"""

from dataclasses import replace

import numpy as np

from labeling.labels.resolving.one_coin import MOST_ROUNDS, TOLERANCE, AnswerTable, Resolved, weigh
from labeling.labels.resolving.posterior import CLIP

PRIOR_ANSWERS = 4.0
"""The weight of the prior in each row of a confusion matrix, as a number of answers."""

LEAST = 0.01
"""The least probability of a listed value."""

MOST_VALUES = 100
MOST_CELLS = 50_000_000
"""The most cells of the confusion matrices, and of the table items × values: 400 MB of float64 each. For larger data
each person has one accuracy."""

CHUNK = 1 << 18


def fits(answers: AnswerTable) -> bool:
    """Return whether the confusion matrices and the table of items by values fit `MOST_VALUES` and `MOST_CELLS`."""
    n = answers.n_values
    return n <= MOST_VALUES and max(answers.n_items, answers.n_people * n) * n <= MOST_CELLS


def resolve(answers: AnswerTable) -> Resolved:
    """Estimate the probability of each item's values with Dawid and Skene's model, by expectation maximisation.

    Ignores the predictions of a model (`word`, `sure`). Returns the result of `one_coin.weigh` if the data are too
    large (`fits`). Takes O(answers × values) time a round.

    Returns
    -------
    Resolved
        Lists each item's most probable value, and all values with a probability of at least `LEAST`.
    """
    answers = replace(answers, word=None, sure=None)
    start = weigh(answers)
    if not fits(answers) or not len(answers.item):
        return start
    table = _iterate(answers, _dense(start, answers), start.accuracy)
    listed = table >= LEAST
    listed[np.arange(len(table)), table.argmax(axis=1)] = True
    item, value = np.nonzero(listed)
    return Resolved(item, value, table[item, value], start.accuracy)


def _dense(start: Resolved, answers: AnswerTable) -> np.ndarray:
    """Return probabilities (items, values): the values that `start` does not list share the remaining probability
    evenly.
    """
    n = answers.n_values
    listed = np.bincount(start.item, minlength=answers.n_items)
    left = 1 - np.bincount(start.item, start.probability, answers.n_items)
    table = np.repeat((np.maximum(left, 0) / np.maximum(n - listed, 1))[:, None], n, axis=1)
    table[start.item, start.value] = start.probability
    return table


def _iterate(answers: AnswerTable, table: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    order = np.argsort(answers.item, kind="stable")
    item, person, value = answers.item[order], answers.person[order], answers.value[order]
    prior = PRIOR_ANSWERS * _one_coin(np.clip(accuracy, CLIP, 1 - CLIP), answers.n_values)
    for _ in range(MOST_ROUNDS):
        shares = (table.sum(axis=0) + 1) / (len(table) + answers.n_values)
        confusion = prior + _counts(item, person, value, table, answers)
        confusion /= confusion.sum(axis=2, keepdims=True)
        # (person, answer, truth): the row of an answer is contiguous.
        words = np.ascontiguousarray(np.log(confusion).transpose(0, 2, 1))
        before, table = table, _expect(item, words, person, value, np.log(shares), len(table))
        if np.abs(table - before).max() < TOLERANCE:
            break
    return table


def _one_coin(accuracy: np.ndarray, n: int) -> np.ndarray:
    """Return confusion matrices (people, values, values) with the accuracy on the diagonal and equal shares
    elsewhere.
    """
    matrices = np.repeat(((1 - accuracy) / max(n - 1, 1))[:, None, None], n, axis=1).repeat(n, axis=2)
    matrices[:, np.arange(n), np.arange(n)] = accuracy[:, None]
    return matrices


def _counts(
    item: np.ndarray, person: np.ndarray, value: np.ndarray, table: np.ndarray, answers: AnswerTable
) -> np.ndarray:
    """Return the expected counts (people, truth, answer) of each answer to items of each true value."""
    n, cell = answers.n_values, person * answers.n_values + value
    counts = np.empty((answers.n_people, n, n))
    for truth in range(n):
        at = np.bincount(cell, table[item, truth], answers.n_people * n)
        counts[:, truth] = at.reshape(answers.n_people, n)
    return counts


def _expect(
    item: np.ndarray, words: np.ndarray, person: np.ndarray, value: np.ndarray, log_shares: np.ndarray, n_items: int
) -> np.ndarray:
    """Return the probability of each value (items, values) under the confusion matrices. `item` is ascending."""
    table = np.repeat(log_shares[None], n_items, axis=0)
    for start in range(0, len(item), CHUNK):
        part = slice(start, start + CHUNK)
        rows, first = np.unique(item[part], return_index=True)
        table[rows] += np.add.reduceat(words[person[part], value[part]], first, axis=0)
    table -= table.max(axis=1, keepdims=True)
    np.exp(table, out=table)
    table /= table.sum(axis=1, keepdims=True)
    return table
