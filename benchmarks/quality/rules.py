"""Rules that say whom to ask about an item, when to stop, and what label the answers come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from benchmarks.quality.crowds import Crowd
from labeling.resolving import dawid_skene
from labeling.resolving.people import Answers, Resolved, weigh
from labeling.resolving.posterior import LEAST_SUPPORT, Vote, Word, asks_another, worth_asking

PAUSED_BELOW, PAUSED_AFTER = 0.5, 20
MOST = 5
FIXED = "fixed 3"


@dataclass(frozen=True)
class Rule:
    """`confidence`: the probability that is enough; None asks a fixed number of `people`. `doubts`: who is asked about
    items in doubt. `label`: how answers come to a label.
    """

    people: int = 3
    confidence: float | None = None
    doubts: Literal["worth asking", "all", "not paused"] = "worth asking"
    label: Literal["majority", "posterior", "dawid-skene"] = "posterior"
    soft: bool = False

    @property
    def heeds_model(self) -> bool:
        """Whether the labels depend on what models say of the items."""
        return self.label == "posterior"

    @property
    def on_curve(self) -> bool:
        """Whether it is the product's rule but for the confidence."""
        return self == Rule(confidence=self.confidence) and self.confidence is not None


RULES = {
    "one": Rule(people=1, label="majority"),
    FIXED: Rule(label="majority"),
    "fixed 3 + DS": Rule(label="dawid-skene"),
    "fixed 3, hard": Rule(),
    "fixed 3, soft": Rule(soft=True),
    "adaptive": Rule(confidence=0.95),
    "adaptive, all asked": Rule(confidence=0.95, doubts="all"),
    "adaptive, paused": Rule(confidence=0.95, doubts="not paused"),
    "adaptive + DS": Rule(confidence=0.95, label="dawid-skene"),
    "adaptive, soft": Rule(confidence=0.95, soft=True),
}


def adaptive(confidence: float) -> dict[str, Rule]:
    return {f"adaptive {confidence:g}": Rule(confidence=confidence)}


class Labels(NamedTuple):
    """What the answers so far come to: the label of each item that has one, how accurate each person is, and for rules
    that learn it, (labels, n_classes) how probable each class is.
    """

    of_item: dict[int, int]
    accuracy: np.ndarray
    probable: csr_array | None


def people_for(
    rule: Rule, crowd: Crowd, item: int, accuracy: np.ndarray, asked: Mapping[int, list[int]], n_classes: int
) -> list[int]:
    """Who may be asked about the item, in order: the first in any case."""
    order: list[int] = crowd.order[item].tolist()
    if rule.doubts == "not paused":
        answers = np.bincount([each for people in asked.values() for each in people], minlength=len(accuracy))
        good = [each for each in order if answers[each] < PAUSED_AFTER or accuracy[each] >= PAUSED_BELOW]
        order = good if len(good) >= 3 else order
    if rule.confidence is None or rule.doubts == "all":
        return order
    worth = worth_asking(dict(enumerate(accuracy.tolist())), n_classes)
    return order[:1] + [each for each in order[1:] if each in worth]


def ask(
    rule: Rule, answers: np.ndarray, people: list[int], accuracy: np.ndarray, word: Word | None, n_classes: int,
    *, check: bool,
) -> list[int]:  # fmt: skip
    """The people that are asked about an item to which (people,) `answers` are what they would answer. `check`: at
    least two of them.
    """
    if rule.confidence is None:
        return people[: rule.people]
    most = min(MOST, len(people))
    for n in range(2 if check else 1, most):
        votes = [Vote(int(answers[person]), float(accuracy[person])) for person in people[:n]]
        if not asks_another(votes, 0, n_values=n_classes, word=word, confidence=rule.confidence):
            return people[:n]
    return people[:most]


def resolve(
    rule: Rule, crowd: Crowd, asked: Mapping[int, list[int]], words: Mapping[int, Word], n_classes: int
) -> Labels:
    """What all answers so far come to, as the product's step computes it."""
    items = list(asked)
    rows = [(place, person, crowd.answers[person, item]) for place, item in enumerate(items) for person in asked[item]]
    item, person, value = np.array(rows, np.int64).T
    word = np.array([words[each].value if each in words else -1 for each in items], np.int64)
    sure = np.array([words[each].probability if each in words else 0.0 for each in items])
    answers = Answers(item, person, value, len(items), len(crowd.answers), n_classes, word, sure)
    weighed = weigh(answers)
    if rule.label == "majority":
        votes = np.zeros((len(items), n_classes), np.int64)
        np.add.at(votes, (item, value), 1)
        ranked = np.sort(votes, axis=1)
        clear = ranked[:, -1] > ranked[:, -2]
        best = votes.argmax(axis=1)
        return Labels({each: int(best[at]) for at, each in enumerate(items) if clear[at]}, weighed.accuracy, None)
    # The people whom the next batch is asked by are known by their accuracies in either case.
    resolved = dawid_skene.resolve(answers) if rule.label == "dawid-skene" else weighed
    labels = {items[at]: value for at, value in _most_probable(resolved).items()}
    return Labels(labels, weighed.accuracy, _probable(resolved, items, labels, n_classes) if rule.soft else None)


def _most_probable(resolved: Resolved) -> dict[int, int]:
    labels = {}
    order = np.argsort(resolved.probability, kind="stable")
    for at in order[resolved.probability[order] >= LEAST_SUPPORT].tolist():
        labels[int(resolved.item[at])] = int(resolved.value[at])
    return labels


def _probable(resolved: Resolved, items: list[int], labels: Mapping[int, int], n_classes: int) -> csr_array:
    """(labels, n_classes), as the product's step keeps it: without what is less probable than 1 %."""
    table = csr_array((resolved.probability, (resolved.item, resolved.value)), shape=(len(items), n_classes))
    rows = table.toarray()[[at for at, item in enumerate(items) if item in labels]]
    rows[rows <= dawid_skene.LEAST] = 0
    return csr_array(rows / rows.sum(axis=1, keepdims=True))
