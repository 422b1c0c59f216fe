"""Simulate a rule for the number of answers per item: its cost in answers, and its share of wrong labels."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from labeling.labels.resolving.asking import asks_another, label_probabilities, worth_asking
from labeling.labels.resolving.posterior import LEAST_SUPPORT, AnswerSpace, Vote

CHECK_SHARE = 0.05
"""The share of the tasks, drawn at random, that one more person answers in any case: how often people agree shows how
reliable they are. Annotators do not see which."""
ITEMS = 1500
SEED = 7


class Rule(NamedTuple):
    """A rule for the number of answers: each item gets at least `least`, and up to `most` while its label is in
    doubt.
    """

    least: int
    most: int | None
    confidence: float
    check_share: float = CHECK_SHARE


class Outlook(NamedTuple):
    """Answers per item, the share of labels that are wrong, and the share of items without a label."""

    answers: float
    wrong: float
    undecided: float


def outlook(rule: Rule, accuracies: Sequence[float], space: AnswerSpace) -> Outlook:
    """Simulate the rule with people of these accuracies, who err independently and at random and see no suggestions.

    With several decisions, an answer is right if it is right about each of so many classes (`by_class`).
    """
    rng = np.random.default_rng(SEED)
    answers = wrong = undecided = 0
    most = min(rule.most or rule.least, max(len(accuracies), rule.least))
    everybody = np.resize(accuracies, max(len(accuracies), most)).tolist()
    worth = worth_asking(dict(enumerate(everybody)), space.values)
    truth: Hashable = () if space.decisions > 1 else 0
    for _ in range(ITEMS):
        order = rng.permutation(len(everybody)).tolist()
        people = [everybody[i] for at, i in enumerate(order) if at < rule.least or i in worth][:most]
        values = _answers(rng, people, space)
        votes = [Vote(value, a) for value, a in zip(values, people, strict=True)]
        n, checked = rule.least, rng.random() < rule.check_share
        while n < len(people) and (
            (checked and n == rule.least) or asks_another(votes[:n], 0, space, confidence=rule.confidence)
        ):
            n += 1
        label = _label(votes[:n], space, weighs=rule.most is not None)
        answers, wrong, undecided = answers + n, wrong + (label not in (truth, None)), undecided + (label is None)
    return Outlook(answers / ITEMS, wrong / max(ITEMS - undecided, 1), undecided / ITEMS)


def _answers(rng: np.random.Generator, accuracies: Sequence[float], space: AnswerSpace) -> list[Hashable]:
    """Return an answer of each person: 0 if right; with several decisions, the classes about which it is wrong."""
    n = len(accuracies)
    if space.decisions > 1:
        right = np.power(accuracies, 1 / space.decisions)[:, None]
        return [tuple(np.flatnonzero(row).tolist()) for row in rng.random((n, space.decisions)) >= right]
    chances, others = rng.random(n), rng.integers(1, max(space.values, 2), n)
    return [0 if chances[at] < a else int(others[at]) for at, a in enumerate(accuracies)]


def _label(votes: Sequence[Vote], space: AnswerSpace, *, weighs: bool) -> object:
    if weighs:
        found = label_probabilities(votes, space)
        probability, value = max((p, str(value), value) for value, p in found.items())[::2]
        return value if probability >= LEAST_SUPPORT else None
    if space.decisions > 1:
        return _majority_by_class(votes)
    (value, n), *others = Counter(vote.value for vote in votes).most_common(2)
    return None if others and others[0][1] == n else value


def _majority_by_class(votes: Sequence[Vote]) -> object:
    named = Counter(index for vote in votes for index in vote.value)  # type: ignore[attr-defined]
    if any(2 * n == len(votes) for n in named.values()):
        return None
    return tuple(sorted(index for index, n in named.items() if 2 * n > len(votes)))
