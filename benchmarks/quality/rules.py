"""Rules that decide whom to ask about an item, when to stop, and which label follows from the answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from benchmarks.quality.crowds import Crowd
from labeling.labels.resolving import dawid_skene
from labeling.labels.resolving.asking import asks_another, worth_asking
from labeling.labels.resolving.one_coin import AnswerTable, Resolved, weigh
from labeling.labels.resolving.posterior import LEAST_SUPPORT, AnswerSpace, ModelVote, Vote

PAUSED_BELOW, PAUSED_AFTER = 0.5, 20
MOST = 5
FIXED = "fixed 3"


@dataclass(frozen=True)
class Rule:
    """A rule. `confidence`: the probability that suffices; None asks a fixed number of `people`.

    `doubts`: the people asked about items in doubt. `label`: the method that resolves answers to a label.
    """

    people: int = 3
    confidence: float | None = None
    doubts: Literal["worth asking", "all", "not paused"] = "worth asking"
    label: Literal["majority", "posterior", "dawid-skene"] = "posterior"
    soft: bool = False

    @property
    def heeds_model(self) -> bool:
        """Return whether the labels depend on the model's predictions."""
        return self.label == "posterior"

    @property
    def on_curve(self) -> bool:
        """Return whether the rule is the product's, apart from its confidence."""
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
    """The result of the answers so far: the label of each labeled item, the accuracy of each person, and for soft
    labels the (labels, n_classes) probabilities.
    """

    of_item: dict[int, int]
    accuracy: np.ndarray
    probable: csr_array | None


def people_for(
    rule: Rule, crowd: Crowd, item: int, accuracy: np.ndarray, asked: Mapping[int, list[int]], n_classes: int
) -> list[int]:
    """Return the people who may be asked about the item, in order; the first is always asked."""
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
    rule: Rule, answers: np.ndarray, people: list[int], accuracy: np.ndarray, word: ModelVote | None, n_classes: int,
    *, check: bool,
) -> list[int]:  # fmt: skip
    """Return the people who are asked about an item, given their (people,) `answers`. `check`: ask at least two."""
    if rule.confidence is None:
        return people[: rule.people]
    most = min(MOST, len(people))
    for n in range(2 if check else 1, most):
        votes = [Vote(int(answers[person]), float(accuracy[person])) for person in people[:n]]
        if not asks_another(votes, 0, AnswerSpace(n_classes), word=word, confidence=rule.confidence):
            return people[:n]
    return people[:most]


def resolve(
    rule: Rule, crowd: Crowd, asked: Mapping[int, list[int]], words: Mapping[int, ModelVote], n_classes: int
) -> Labels:
    """Resolve all answers so far, as the product's step does."""
    items = list(asked)
    rows = [(place, person, crowd.answers[person, item]) for place, item in enumerate(items) for person in asked[item]]
    item, person, value = np.array(rows, np.int64).T
    word = np.array([words[each].value if each in words else -1 for each in items], np.int64)
    sure = np.array([words[each].probability if each in words else 0.0 for each in items])
    answers = AnswerTable(item, person, value, len(items), len(crowd.answers), n_classes, word, sure)
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
    """Return (labels, n_classes) probabilities, as the product's step stores them: without those below 1 %."""
    table = csr_array((resolved.probability, (resolved.item, resolved.value)), shape=(len(items), n_classes))
    rows = table.toarray()[[at for at, item in enumerate(items) if item in labels]]
    rows[rows <= dawid_skene.LEAST] = 0
    return csr_array(rows / rows.sum(axis=1, keepdims=True))
