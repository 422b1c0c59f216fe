"""Resolve answers that are sets of parts, such as classes, where each part is a decision of its own, yes or no.

A person whose whole answers are right with probability a decides about each of an item's `decisions` parts rightly
with probability a^(1 / decisions), independently: Zhang et al. 2014 ("one-coin") for each part. So three people who
each err about another part settle the item, though no two of their answers are equal.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from labeling.labels.resolving.one_coin import MOST_ROUNDS, TOLERANCE, AnswerTable, Resolved
from labeling.labels.resolving.posterior import ACCURACY, CLIP, STRENGTH, Vote

Parts = tuple[Any, ...]
"""The ascending parts of an answer, as `Question.key` has them: classes, for one."""


def posterior(votes: Sequence[Vote], decisions: int) -> dict[Parts, float]:
    """Compute the probability of each set of parts that was answered, and of the most probable set.

    Parameters
    ----------
    votes : sequence of Vote
        The answers to one item, `Parts` each.
    decisions : int
        The parts of an item among which people's errors spread; more if the answers name more.

    Returns
    -------
    dict from parts to float
        All other sets share the rest of the probability.

    Examples
    --------
    >>> posterior([Vote((1, 2)), Vote((2,)), Vote((2, 3))], 8)[(2,)] > 0.95
    True
    """
    weights = [_log_odds(vote.accuracy, decisions) for vote in votes]
    answered: list[Parts] = [vote.value for vote in votes]  # type: ignore[misc]
    named = sorted({index for each in answered for index in each})

    def is_in(index: int) -> float:
        return _sigmoid(sum(w if index in each else -w for w, each in zip(weights, answered, strict=True)))

    yes = {index: is_in(index) for index in named}
    unnamed = _sigmoid(sum(weights)) ** max(decisions - len(named), 0)
    best = tuple(index for index in named if yes[index] >= 0.5)
    sets = dict.fromkeys([*answered, best])
    return {
        each: round(unnamed * math.prod(p if index in each else 1 - p for index, p in yes.items()), 12) for each in sets
    }


def _log_odds(accuracy: float, decisions: int) -> float:
    right = min(max(accuracy ** (1 / decisions), CLIP), 1 - CLIP)
    return math.log(right / (1 - right))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


class ResolvedSets(NamedTuple):
    """`resolved.value` counts places in `sets`: the answered sets, and after them most probable sets that no answer
    equals.
    """

    resolved: Resolved
    sets: list[Parts]


def weigh(answers: AnswerTable, sets: Sequence[Parts], decisions: int) -> ResolvedSets:
    """Estimate the probability of each item's answered sets and of its most probable one, and each person's accuracy,
    by expectation maximisation of the model of `posterior`.

    Ignores `word` and `sure`: a model's best class is no whole answer. Takes O(parts of all answers) time a round.

    Parameters
    ----------
    answers : AnswerTable
        Values are places in `sets`.
    sets : sequence of Parts
        The different answers.
    decisions : int
        As for `posterior`.
    """
    named = _named(answers, sets)
    accuracy = np.full(answers.n_people, ACCURACY)
    n_answers = np.bincount(answers.person, minlength=answers.n_people)
    for _ in range(MOST_ROUNDS):
        odds = _odds(named, answers, accuracy, decisions)
        right = np.exp(_of_answers(odds, named, answers))
        found = np.bincount(answers.person, right, answers.n_people)
        before, accuracy = accuracy, (found + ACCURACY * STRENGTH) / (n_answers + STRENGTH)
        if np.abs(accuracy - before).max(initial=0) < TOLERANCE:
            break
    odds = _odds(named, answers, accuracy, decisions)
    right = np.exp(_of_answers(odds, named, answers))
    return _listed(answers, sets, named, odds, right, accuracy)


class _Named(NamedTuple):
    """The pairs of an item and a part that an answer to it names: `item` and `part` (pairs,), a place in `parts`. Each
    of the mentions (mentions,) is one part in one answer: its `pair` and its `answer`.
    """

    parts: Sequence[Any]
    item: np.ndarray
    part: np.ndarray
    pair: np.ndarray
    answer: np.ndarray


def _named(answers: AnswerTable, sets: Sequence[Parts]) -> _Named:
    sizes = np.array([len(each) for each in sets], np.int64)
    parts = sorted({part for each in sets for part in each})
    places = {part: place for place, part in enumerate(parts)}
    flat = np.array([places[part] for each in sets for part in each], np.int64)
    starts = np.cumsum(sizes) - sizes
    of_answer = sizes[answers.value]
    answer = np.repeat(np.arange(len(answers.item)), of_answer)
    within = np.arange(len(answer)) - np.repeat(np.cumsum(of_answer) - of_answer, of_answer)
    place = flat[starts[answers.value][answer] + within]
    width = max(len(parts), 1)
    keys, pair = np.unique(answers.item[answer] * width + place, return_inverse=True)
    return _Named(parts, keys // width, keys % width, pair, answer)


class _Odds(NamedTuple):
    """Logarithms of probabilities: that the part of a pair (pairs,) is and is not the item's, and that all of an
    item's (items,) unnamed parts are not.
    """

    yes: np.ndarray
    no: np.ndarray
    unnamed: np.ndarray


def _odds(named: _Named, answers: AnswerTable, accuracy: np.ndarray, decisions: int) -> _Odds:
    right = np.clip(accuracy ** (1 / decisions), CLIP, 1 - CLIP)
    weight = np.log(right / (1 - right))[answers.person]
    against = np.bincount(answers.item, weight, answers.n_items)
    logit = 2 * np.bincount(named.pair, weight[named.answer], len(named.item)) - against[named.item]
    unnamed = np.maximum(decisions - np.bincount(named.item, minlength=answers.n_items), 0)
    return _Odds(-np.logaddexp(0, -logit), -np.logaddexp(0, logit), -unnamed * np.logaddexp(0, -against))


def _of_answers(odds: _Odds, named: _Named, answers: AnswerTable) -> np.ndarray:
    """Return the logarithm of the probability (n,) that each answer is right as a whole."""
    none = odds.unnamed + np.bincount(named.item, odds.no, answers.n_items)
    more = np.bincount(named.answer, (odds.yes - odds.no)[named.pair], len(answers.item))
    return none[answers.item] + more


def _listed(
    answers: AnswerTable,
    sets: Sequence[Parts],
    named: _Named,
    odds: _Odds,
    right: np.ndarray,
    accuracy: np.ndarray,
) -> ResolvedSets:
    places = {each: place for place, each in enumerate(sets)}
    chosen: list[list[Any]] = [[] for _ in range(answers.n_items)]
    likely = odds.yes >= odds.no
    for item, part in zip(named.item[likely].tolist(), named.part[likely].tolist(), strict=True):
        chosen[item].append(named.parts[part])
    best = np.array([places.setdefault(tuple(each), len(places)) for each in chosen], np.int64)
    sure = np.exp(odds.unnamed + np.bincount(named.item, np.maximum(odds.yes, odds.no), answers.n_items))
    keys = np.concatenate([answers.item * len(places) + answers.value, np.arange(answers.n_items) * len(places) + best])
    pairs, first = np.unique(keys, return_index=True)
    probability = np.concatenate([right, sure])[first]
    return ResolvedSets(Resolved(pairs // len(places), pairs % len(places), probability, accuracy), list(places))
