"""Simulate a rule for the number of answers per item: its cost in answers, and its share of wrong labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from labeling.resolving.posterior import LEAST_SUPPORT, Vote, asks_another, posterior, worth_asking

ITEMS = 1500
SEED = 7


class Rule(NamedTuple):
    """A rule for the number of answers: each item gets at least `least`, and up to `most` while its label is in
    doubt.
    """

    least: int
    most: int | None
    confidence: float
    check_share: float


class Outlook(NamedTuple):
    """Answers per item, the share of labels that are wrong, and the share of items without a label."""

    answers: float
    wrong: float
    undecided: float


def outlook(rule: Rule, accuracies: Sequence[float], n_values: int) -> Outlook:
    """Simulate the rule with people of these accuracies, who err independently and at random and see no suggestions."""
    rng = np.random.default_rng(SEED)
    answers = wrong = undecided = 0
    most = min(rule.most or rule.least, max(len(accuracies), rule.least))
    everybody = np.resize(accuracies, max(len(accuracies), most)).tolist()
    worth = worth_asking(dict(enumerate(everybody)), n_values)
    for _ in range(ITEMS):
        order = rng.permutation(len(everybody)).tolist()
        people = [everybody[i] for at, i in enumerate(order) if at < rule.least or i in worth][:most]
        right, others = rng.random(most), rng.integers(1, max(n_values, 2), most)
        votes = [Vote(0 if right[at] < a else int(others[at]), a) for at, a in enumerate(people)]
        n, checked = rule.least, rng.random() < rule.check_share
        while n < len(people) and (
            (checked and n == rule.least) or asks_another(votes[:n], 0, n_values=n_values, confidence=rule.confidence)
        ):
            n += 1
        label = _label(votes[:n], n_values, weighs=rule.most is not None)
        answers, wrong, undecided = answers + n, wrong + (label not in (0, None)), undecided + (label is None)
    return Outlook(answers / ITEMS, wrong / max(ITEMS - undecided, 1), undecided / ITEMS)


def _label(votes: Sequence[Vote], n_values: int, *, weighs: bool) -> object:
    if weighs:
        probability, value = max((p, str(value), value) for value, p in posterior(votes, n_values).items())[::2]
        return value if probability >= LEAST_SUPPORT else None
    (value, n), *others = Counter(vote.value for vote in votes).most_common(2)
    return None if others and others[0][1] == n else value
