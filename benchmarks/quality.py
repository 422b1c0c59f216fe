"""What does a right label cost? Simulated annotators whose mistakes are known, asked by several rules.

    python -m benchmarks.quality                                   # digits, three crowds, five seeds: some minutes
    python -m benchmarks.quality --data fashion --budget 6000      # Fashion-MNIST
    python -m benchmarks.quality --json > result.json              # one JSON object

Crowds of ten people: `good` (all right 19 times of 20), `mixed` (six of them good, one who answers at random, one who
takes three classes for their neighbours, one with careless hours, one right four times of five), `bad` (four good,
three at random, two confusers, one with careless hours). For each item the same people come in the same order,
whatever the rule:

    one             the first person's answer
    fixed 3         three people, the majority; a tie has no label
    fixed 3 + DS    three people, Dawid and Skene's model over all answers
    adaptive        the product's rule (labeling.resolving), with the accuracies and the model's word so far
    adaptive + DS   the same answers, labels by Dawid and Skene's model

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
from typing import Any

import numpy as np

from benchmarks.efficiency.compare import mean_with_interval
from benchmarks.efficiency.datasets import FASHION_FOLDER, DataError, Source
from benchmarks.efficiency.loop import accuracy, seed_for
from benchmarks.measuring import machine, side_by_side
from labeling.resolving import dawid_skene
from labeling.resolving.people import Answers, Resolved, weigh
from labeling.resolving.posterior import ACCURACY, LEAST_SUPPORT, Vote, Word, asks_another
from models_store.prediction import predict
from models_store.training import train

RULES = ("one", "fixed 3", "fixed 3 + DS", "adaptive", "adaptive + DS")
CROWDS = {
    "good": ["good"] * 10,
    "mixed": ["good"] * 6 + ["random", "confuser", "careless", "fair"],
    "bad": ["good"] * 4 + ["random"] * 3 + ["confuser"] * 2 + ["careless"],
}
RIGHT = {"good": 0.95, "fair": 0.8, "careless": 0.95, "confuser": 0.95, "random": 0.0}
CARELESS_RIGHT, CARELESS_SHARE, HOUR = 0.5, 0.3, 25
"""In so many of their spans of `HOUR` answers, somebody careless is right so often."""
CONFUSED = 3
MOST, CONFIDENCE, CHECK_SHARE = 5, 0.95, 0.05
USUAL = {"digits": (60, 1500), "fashion": (300, 6000)}
FIGURES = ("answers", "cost", "error", "undecided", "accuracy")


@dataclass(frozen=True)
class Work:
    """One crowd on one data set with one seed, asked by one rule."""

    source: Source
    crowd: str
    rule: str
    seed: int
    batch: int
    budget: int


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
                confused = rng.choice(n_classes, CONFUSED, replace=False)
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
            asked[item] = _ask(
                work.rule, crowd, item, known, words.get(item), data.n_classes, check=bool(checked[item])
            )
            spent += len(asked[item])
        labels, known = _resolve(work.rule, crowd, asked, words, data.n_classes)
        rows = np.array([item for item in asked if item in labels])
        model = train(
            data.features[rows],
            np.array([labels[item] for item in rows.tolist()]),
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
        "items": len(asked),
    }


def _predicted(model: Any, features: np.ndarray) -> tuple[list[int], list[float]]:
    parts = list(predict(model, features))
    best, sure = (np.concatenate([getattr(part, name) for part in parts]).tolist() for name in ("best", "confidence"))
    return best, sure


def _ask(
    rule: str, crowd: Crowd, item: int, known: np.ndarray, word: Word | None, n_classes: int, *, check: bool
) -> list[int]:
    """The people that are asked about the item."""
    people = crowd.order[item].tolist()
    if not rule.startswith("adaptive"):
        return people[: 1 if rule == "one" else 3]
    for n in range(1, MOST):
        votes = [Vote(int(crowd.said[person, item]), float(known[person])) for person in people[:n]]
        if check and n == 1:
            continue
        if not asks_another(votes, 0, n_values=n_classes, word=word, confidence=CONFIDENCE):
            return people[:n]
    return people[:MOST]


def _resolve(
    rule: str, crowd: Crowd, asked: dict[int, list[int]], words: dict[int, Word], n_classes: int
) -> tuple[dict[int, int], np.ndarray]:
    """The labels of what was asked so far, as the product's step comes to them, and how accurate each person is."""
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
        return {each: int(best[at]) for at, each in enumerate(items) if clear[at]}, weigh(answers).accuracy
    # The people whom the next batch is asked by are known by their accuracies in either case.
    weighed = weigh(answers)
    resolved = dawid_skene.resolve(answers) if rule.endswith("DS") else weighed
    return {items[at]: value for at, value in _most_probable(resolved).items()}, weighed.accuracy


def _most_probable(resolved: Resolved) -> dict[int, int]:
    labels = {}
    order = np.argsort(resolved.probability, kind="stable")
    for at in order[resolved.probability[order] >= LEAST_SUPPORT].tolist():
        labels[int(resolved.item[at])] = int(resolved.value[at])
    return labels


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    batch, budget = USUAL[options.data]
    source = Source(options.data, fashion_folder=FASHION_FOLDER, pool=options.pool)
    works = [
        Work(source, crowd, rule, seed, options.batch or batch, options.budget or budget)
        for crowd in options.crowds
        for rule in RULES
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
    result = {"machine": machine(), "data": options.data, "seeds": options.seeds, "budget": works[0].budget}
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
    lines = [f"{result['data']}, {result['seeds']} seeds, {result['budget']:,} answers paid by each rule", ""]
    lines.append(f"{'crowd':8}{'rule':16}{'answers':>9}{'cost':>7}{'label error':>22}{'undecided':>11}{'model':>20}")
    for row in result["rows"]:
        lines.append(
            f"{row['crowd']:8}{row['rule']:16}{row['answers']['mean']:9.2f}{row['cost']['mean']:7.0%}"
            f"{_interval(row['error']):>22}{row['undecided']['mean']:11.1%}{_interval(row['accuracy']):>20}"
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
    add("--pool", type=int, metavar="N", help="Only so many items of the pool.")
    add("--crowds", type=lambda text: text.split(","), default=list(CROWDS), metavar="A,B", help="Default: all.")
    add("--seeds", type=int, default=5, metavar="N", help="Default: 5.")
    add("--batch", type=int, metavar="N", help="Items in a batch. Default: 60, of Fashion-MNIST 300.")
    add("--budget", type=int, metavar="N", help="Answers that each rule may take. Default: 1,500; Fashion-MNIST 6,000.")
    add("--processes", type=int, default=1, metavar="N", help="Side by side. Default: 1.")
    add("--json", action="store_true", help="One JSON object.")
    options = parser.parse_args(arguments)
    unknown = set(options.crowds) - CROWDS.keys()
    if unknown:
        parser.error(f"--crowds: there is no crowd {min(unknown)!r}; there are {', '.join(CROWDS)}.")
    return options


if __name__ == "__main__":
    sys.exit(main())
