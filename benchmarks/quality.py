"""What does a right label cost? Simulated annotators whose mistakes are known, asked by several rules.

    python -m benchmarks.quality                                   # digits, three crowds, five seeds: some minutes
    python -m benchmarks.quality --data fashion --budget 6000      # Fashion-MNIST
    python -m benchmarks.quality --data noisy --model logistic     # made-up vectors that no model can be sure of
    python -m benchmarks.quality --vectors x.npy --labels y.npy    # your own
    python -m benchmarks.quality --json > result.json              # one JSON object

Crowds of ten people: `good` (all right 19 times of 20), `mixed` (six of them good, one who answers at random, one who
takes three classes for their neighbours, one with careless hours, one right four times of five), `bad` (four good,
three at random, two confusers, one with careless hours). For each item the same people come in the same order,
whatever the rule:

    one             the first person's answer
    fixed 3         three people, the majority; a tie has no label
    fixed 3 + DS    three people, Dawid and Skene's model over all answers
    adaptive        the product's rule (labeling.resolving), with the accuracies and the model's word so far
    adaptive 0.9    the same with 0.9 as the probability that is enough, in place of 0.95
    …, all asked    the same as adaptive, but for items in doubt everybody is asked, whatever is known of them
    …, paused       who turned out to be right less than half the time, by 20 answers or more, is asked no more
    …, soft         the model learns how probable each label is, in place of the most probable one (`soft_labels`)
    fixed 3, hard   what `fixed 3, soft` is to be compared with: the most probable label, ties included
    adaptive + DS   the answers of adaptive, labels by Dawid and Skene's model

Each trains the product's network after every batch, drawn at random, until its budget of answers is spent. Reported,
means over seeds with 95 % intervals: answers an item, label error (of the items that have a label), items without one,
and the accuracy of the last model on test items. `cost` is the share of fixed 3's answers that a label takes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from benchmarks.efficiency.compare import mean_with_interval
from benchmarks.efficiency.datasets import FASHION_FOLDER, Data, DataError, Source
from benchmarks.efficiency.loop import accuracy, seed_for
from benchmarks.measuring import machine, side_by_side
from labeling.resolving import dawid_skene
from labeling.resolving.people import Answers, Resolved, weigh
from labeling.resolving.posterior import ACCURACY, LEAST_SUPPORT, Vote, Word, asks_another, worth_asking
from models_store.config import TrainConfig
from models_store.estimators import Learner, Network, ScikitLearn
from models_store.learning import learn
from models_store.prediction import predict

ADAPTIVE = {
    "adaptive": 0.95,
    "adaptive 0.9": 0.9,
    "adaptive, all asked": 0.95,
    "adaptive, paused": 0.95,
    "adaptive + DS": 0.95,
    "adaptive, soft": 0.95,
}
"""The probability that is enough."""
RULES = ("one", "fixed 3", "fixed 3 + DS", "fixed 3, hard", "fixed 3, soft", *ADAPTIVE)
CROWDS = {
    "good": ["good"] * 10,
    "mixed": ["good"] * 6 + ["random", "confuser", "careless", "fair"],
    "bad": ["good"] * 4 + ["random"] * 3 + ["confuser"] * 2 + ["careless"],
}
RIGHT = {"good": 0.95, "fair": 0.8, "careless": 0.95, "confuser": 0.95, "random": 0.0}
CARELESS_RIGHT, CARELESS_SHARE, HOUR = 0.5, 0.3, 25
"""In so many of their spans of `HOUR` answers, somebody careless is right so often."""
CONFUSED = 3
PAUSED_BELOW, PAUSED_AFTER = 0.5, 20
MOST, CHECK_SHARE = 5, 0.05
USUAL = {"digits": (60, 1500), "fashion": (300, 6000), "noisy": (150, 1500), "uneven": (150, 1500)}
MODELS: dict[str, tuple[type[Learner], dict[str, Any]]] = {
    "network": (Network, {}),
    "logistic": (ScikitLearn, {"classifier": "LogisticRegression", "parameters": '{"max_iter": 500}'}),
}
FIGURES = ("answers", "cost", "error", "undecided", "accuracy", "ece")


@dataclass(frozen=True)
class Work:
    """One crowd on one data set with one seed, asked by one rule."""

    source: Source
    crowd: str
    rule: str
    seed: int
    batch: int
    budget: int
    model: str = "network"


class Crowd:
    """What each person answers to each item; the same for every rule."""

    def __init__(self, kinds: list[str], truth: np.ndarray, n_classes: int, seed: int) -> None:
        rng = np.random.default_rng([seed, 11])
        self.order = np.array([rng.permutation(len(kinds)) for _ in truth])
        self.said = np.empty((len(kinds), len(truth)), np.int64)
        for person, kind in enumerate(kinds):
            right = np.full(len(truth), RIGHT[kind])
            if kind == "careless":
                spans = rng.random(len(truth) // HOUR + 1) < CARELESS_SHARE
                right[np.repeat(spans, HOUR)[: len(truth)]] = CARELESS_RIGHT
            wrong = (truth + rng.integers(1, n_classes, len(truth))) % n_classes
            said = np.where(rng.random(len(truth)) < right, truth, wrong)
            if kind == "random":
                said = rng.integers(n_classes, size=len(truth))
            if kind == "confuser":
                confused = rng.choice(n_classes, min(CONFUSED, max(1, n_classes // 3)), replace=False)
                said = np.where(np.isin(truth, confused), (truth + 1) % n_classes, said)
            self.said[person] = said


def run(work: Work) -> dict[str, float]:
    """Ask until the budget is spent. One thread."""
    import torch

    torch.set_num_threads(1)
    data = work.source.load(work.seed)
    crowd = Crowd(CROWDS[work.crowd], data.labels, data.n_classes, work.seed)
    items = np.random.default_rng([work.seed, 13]).permutation(len(data.labels))
    checked = np.random.default_rng([work.seed, 17]).random(len(items)) < CHECK_SHARE
    asked: dict[int, list[int]] = {}
    words: dict[int, Word] = {}
    known = np.full(len(crowd.said), ACCURACY)
    model, labels, spent = None, {}, 0
    for number, start in enumerate(range(0, len(items), work.batch)):
        batch = items[start : start + work.batch]
        if model is not None:
            for item, best, sure in zip(batch.tolist(), *_predicted(model, data.features[batch]), strict=True):
                words[item] = Word(best, sure)
        for item in batch.tolist():
            if spent >= work.budget:
                break
            people = _people(work.rule, crowd, item, known, asked, data.n_classes)
            asked[item] = _ask(
                work.rule, crowd, item, people, known, words.get(item), data.n_classes, check=bool(checked[item])
            )
            spent += len(asked[item])
        labels, known, soft = _resolve(work.rule, crowd, asked, words, data.n_classes)
        rows = np.array([item for item in asked if item in labels])
        learner, options = MODELS[work.model]
        model = learn(
            learner,
            data.features[rows],
            np.array([labels[item] for item in rows.tolist()]),
            options=options,
            soft=soft,
            config=TrainConfig(soft_labels=soft is not None),
            question="single",
            n_classes=data.n_classes,
            input_shape=data.input_shape,
            seed=seed_for(work.seed, "train", number),
        ).model
        if spent >= work.budget:
            break
    assert model is not None
    wrong = sum(label != data.labels[item] for item, label in labels.items())
    return {
        "answers": spent / len(asked),
        "cost": spent / len(asked) / 3,
        "error": wrong / len(labels),
        "undecided": 1 - len(labels) / len(asked),
        "accuracy": accuracy(model, data),
        "ece": _ece(model, data),
        "items": len(asked),
    }


def _predicted(model: Any, features: np.ndarray) -> tuple[list[int], list[float]]:
    parts = list(predict(model, features))
    best, sure = (np.concatenate([getattr(part, name) for part in parts]).tolist() for name in ("best", "confidence"))
    return best, sure


def _ece(model: Any, data: Data) -> float:
    """The expected calibration error on test items, over ten bins of equal mass."""
    best, sure = (np.array(each) for each in _predicted(model, data.test_features))
    parts = np.array_split(np.argsort(sure), 10)
    gaps = [len(part) * abs(sure[part].mean() - (best[part] == data.test_labels[part]).mean()) for part in parts]
    return float(sum(gaps) / len(sure))


def _people(
    rule: str, crowd: Crowd, item: int, known: np.ndarray, asked: dict[int, list[int]], n_classes: int
) -> list[int]:
    """Who may be asked about the item, in order: the first in any case."""
    order = crowd.order[item].tolist()
    if rule == "adaptive, paused":
        answers = np.bincount([each for people in asked.values() for each in people], minlength=len(known))
        good = [each for each in order if answers[each] < PAUSED_AFTER or known[each] >= PAUSED_BELOW]
        order = good if len(good) >= 3 else order
    if rule not in ADAPTIVE or rule == "adaptive, all asked":
        return order
    worth = worth_asking(dict(enumerate(known.tolist())), n_classes)
    return order[:1] + [each for each in order[1:] if each in worth]


def _ask(
    rule: str,
    crowd: Crowd,
    item: int,
    people: list[int],
    known: np.ndarray,
    word: Word | None,
    n_classes: int,
    *,
    check: bool,
) -> list[int]:
    """The people that are asked about the item."""
    if rule not in ADAPTIVE:
        return people[: 1 if rule == "one" else 3]
    most = min(MOST, len(people))
    for n in range(1, most):
        votes = [Vote(int(crowd.said[person, item]), float(known[person])) for person in people[:n]]
        if check and n == 1:
            continue
        if not asks_another(votes, 0, n_values=n_classes, word=word, confidence=ADAPTIVE[rule]):
            return people[:n]
    return people[:most]


def _resolve(
    rule: str, crowd: Crowd, asked: dict[int, list[int]], words: dict[int, Word], n_classes: int
) -> tuple[dict[int, int], np.ndarray, csr_array | None]:
    """The labels of what was asked so far, as the product's step comes to them, how accurate each person is, and for
    rules that learn it, how probable each class of the labeled items is.
    """
    items = list(asked)
    rows = [
        (place, person, int(crowd.said[person, item])) for place, item in enumerate(items) for person in asked[item]
    ]
    item, person, value = np.array(rows).T
    word = np.array([words[each].value if each in words else -1 for each in items], np.int64)
    sure = np.array([words[each].probability if each in words else 0.0 for each in items])
    answers = Answers(item, person, value, len(items), len(crowd.said), n_classes, word, sure)
    if rule in ("one", "fixed 3"):
        votes = np.zeros((len(items), n_classes), np.int64)
        np.add.at(votes, (item, value), 1)
        ranked = np.sort(votes, axis=1)
        clear = ranked[:, -1] > ranked[:, -2]
        best = votes.argmax(axis=1)
        return {each: int(best[at]) for at, each in enumerate(items) if clear[at]}, weigh(answers).accuracy, None
    # The people whom the next batch is asked by are known by their accuracies in either case.
    weighed = weigh(answers)
    resolved = dawid_skene.resolve(answers) if rule.endswith("DS") else weighed
    labels = {items[at]: value for at, value in _most_probable(resolved).items()}
    return labels, weighed.accuracy, _soft(resolved, items, labels, n_classes) if rule.endswith("soft") else None


def _soft(resolved: Resolved, items: list[int], labels: dict[int, int], n_classes: int) -> csr_array:
    """(labels, n_classes), as the product's step keeps it: without what is less probable than 1 %."""
    table = csr_array((resolved.probability, (resolved.item, resolved.value)), shape=(len(items), n_classes))
    rows = table.toarray()[[at for at, item in enumerate(items) if item in labels]]
    rows[rows <= dawid_skene.LEAST] = 0
    return csr_array(rows / rows.sum(axis=1, keepdims=True))


def _most_probable(resolved: Resolved) -> dict[int, int]:
    labels = {}
    order = np.argsort(resolved.probability, kind="stable")
    for at in order[resolved.probability[order] >= LEAST_SUPPORT].tolist():
        labels[int(resolved.item[at])] = int(resolved.value[at])
    return labels


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    name = "vectors" if options.vectors else options.data
    batch, budget = USUAL.get(name, (150, 1500))
    source = Source(
        name, fashion_folder=FASHION_FOLDER, pool=options.pool, vectors=options.vectors, labels=options.labels
    )
    works = [
        Work(source, crowd, rule, seed, options.batch or batch, options.budget or budget, options.model)
        for crowd in options.crowds
        for rule in options.rules
        for seed in range(options.seeds)
    ]
    started = time.monotonic()
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    try:
        for done, (work, result) in enumerate(side_by_side(run, works, options.processes), start=1):
            found.setdefault((work.crowd, work.rule), []).append(result)
            print(f"{time.monotonic() - started:5.0f} s  {done}/{len(works)}", file=sys.stderr, flush=True)
    except DataError as error:
        print(f"quality: {error}", file=sys.stderr)
        return 2
    result = {
        "machine": machine(),
        "data": name,
        "model": options.model,
        "seeds": options.seeds,
        "budget": works[0].budget,
    }
    result["rows"] = list(_rows(found))
    print(json.dumps(result, allow_nan=False) if options.json else _table(result))
    return 0


def _rows(found: dict[tuple[str, str], list[dict[str, float]]]) -> Iterator[dict[str, Any]]:
    for crowd in CROWDS:
        for rule in RULES:
            if (crowd, rule) in found:
                row: dict[str, Any] = {"crowd": crowd, "rule": rule}
                for name in FIGURES:
                    estimate = mean_with_interval(np.array([each[name] for each in found[crowd, rule]]))
                    row[name] = {"mean": estimate.value, "low": estimate.low, "high": estimate.high}
                yield row


def _table(result: dict[str, Any]) -> str:
    lines = [
        f"{result['data']}, model {result['model']}, {result['seeds']} seeds, "
        f"{result['budget']:,} answers paid by each rule",
        "",
    ]
    lines.append(
        f"{'crowd':8}{'rule':21}{'answers':>9}{'cost':>7}{'label error':>22}{'undecided':>11}{'model':>20}{'ECE':>20}"
    )
    for row in result["rows"]:
        lines.append(
            f"{row['crowd']:8}{row['rule']:21}{row['answers']['mean']:9.2f}{row['cost']['mean']:7.0%}"
            f"{_interval(row['error']):>22}{row['undecided']['mean']:11.1%}{_interval(row['accuracy']):>20}{_interval(row['ece']):>20}"
        )
    return "\n".join(lines)


def _interval(of: dict[str, float | None]) -> str:
    text = f"{100 * (of['mean'] or 0):.1f} %"
    return text if of["low"] is None or of["high"] is None else f"{text} ({100 * of['low']:.1f}–{100 * of['high']:.1f})"


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", choices=USUAL, default="digits", help="Default: digits.")
    add("--vectors", type=Path, metavar="X.npy", help="In place of --data: (n, d) vectors of your own.")
    add("--labels", type=Path, metavar="Y.npy", help="(n,) their true classes.")
    add("--model", choices=MODELS, default="network", help="Default: network. logistic is quick.")
    add("--rules", type=lambda text: text.split(";"), default=list(RULES), metavar="A;B", help="Default: all.")
    add("--pool", type=int, metavar="N", help="Only so many items of the pool.")
    add("--crowds", type=lambda text: text.split(","), default=list(CROWDS), metavar="A,B", help="Default: all.")
    add("--seeds", type=int, default=5, metavar="N", help="Default: 5.")
    add("--batch", type=int, metavar="N", help="Items in a batch. Default: 60, of Fashion-MNIST 300.")
    add("--budget", type=int, metavar="N", help="Answers that each rule may take. Default: 1,500; Fashion-MNIST 6,000.")
    add("--processes", type=int, default=1, metavar="N", help="Side by side. Default: 1.")
    add("--json", action="store_true", help="One JSON object.")
    options = parser.parse_args(arguments)
    if (options.vectors is None) != (options.labels is None):
        parser.error("--vectors and --labels belong together.")
    if strange := set(options.rules) - set(RULES):
        parser.error(f"--rules: there is no rule {min(strange)!r}; there are {'; '.join(RULES)}.")
    unknown = set(options.crowds) - CROWDS.keys()
    if unknown:
        parser.error(f"--crowds: there is no crowd {min(unknown)!r}; there are {', '.join(CROWDS)}.")
    return options


if __name__ == "__main__":
    sys.exit(main())
