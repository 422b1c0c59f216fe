"""What are a machine's answers worth beside a model? Simulated machines, measured on the labels of a project.

    python -m benchmarks.machines                                      # digits and two tables, ten seeds, two minutes
    python -m benchmarks.machines --data digits --model network        # by the product's network, an hour
    python -m benchmarks.machines --vectors X.npy --labels y.npy       # your own arrays
    python -m benchmarks.machines --json > result.json                 # one JSON object

Labels are drawn at random. Models that have not learned a label predict it, `models_store.evidence` measures the
machine on these labels, without those from before its last change, and a model of all of them predicts new items with
and without the machine. Machines:

    70, 85, 95   right on so many of 100 items, wrong at random on the others
    liar         right on 97 % of seven tenths of the classes, always wrong about the others, always in the same way
    noise        any class, at random
    drift        right on 95 % of the items of the first three fifths of the labels, and on 60 % of all later items

Reported by labels: the accuracy on new items without the machine, the points that it adds on average, and in the worst
seed; the labels to the accuracy that the model alone ends with. Of the intervals: how often they hold the machine's
accuracy, its accuracy on each class, and what it adds. The last is measured on control items, a tenth as many as labels
and at least twenty, and the truth is that of all items without a label.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.efficiency.compare import labels_to_reach
from benchmarks.efficiency.datasets import Data, DataError, Source
from benchmarks.measuring import machine, side_by_side

SIZES = (20, 50, 100, 200, 400)
FEW_LABELS = 50
"""Up to so many labels, ten models are cross-fitted; of more, five: fewer would know much less than the final one."""
LEAST_CONTROL, CONTROL = 20, 0.1
MACHINES = ("70", "85", "95", "liar", "noise", "drift")
LIES, STEADY = 0.3, 0.6
"""The share of classes about which the liar lies; of labels before the drift."""


@dataclass(frozen=True)
class Work:
    """One data set with one seed."""

    source: Source
    seed: int
    sizes: tuple[int, ...]
    machines: tuple[str, ...]
    model: str


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    started = time.monotonic()
    try:
        works = [
            Work(source, seed, tuple(options.sizes), tuple(options.machines), options.model)
            for source in _sources(options)
            for seed in range(options.seeds)
        ]
        runs: dict[str, dict[int, list[dict[str, Any]]]] = {}
        for work, rows in side_by_side(run, works, options.processes):
            runs.setdefault(work.source.name, {})[work.seed] = rows
            print(
                f"{time.monotonic() - started:6.0f} s  {work.source.name}, seed {work.seed}",
                file=sys.stderr,
                flush=True,
            )
    except (DataError, OSError, ValueError) as error:
        print(f"machines: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    result = {
        **machine(),
        "model": options.model,
        "seeds": options.seeds,
        "data": {name: _summary([by_seed[seed] for seed in sorted(by_seed)]) for name, by_seed in runs.items()},
        "seconds": round(time.monotonic() - started, 1),
    }
    print(json.dumps(result, allow_nan=False) if options.json else _table(result))
    return 0


def run(work: Work) -> list[dict[str, Any]]:
    """Measure each machine with each number of labels, in one thread."""
    import torch

    from models_store import evidence

    torch.set_num_threads(1)
    data = work.source.load(work.seed)
    features = np.concatenate([data.features, data.test_features])
    labels = np.concatenate([data.labels, data.test_labels])
    order = np.random.default_rng([work.seed, 3]).permutation(len(labels))
    rows = []
    for n in work.sizes:
        control = max(LEAST_CONTROL, round(CONTROL * n))
        if n + control >= len(labels):
            raise DataError(f"{data.name}: {n} labels and {control} control items are asked for, of {len(labels)}.")
        seen, blind, new = order[:n], order[n : n + control], order[n:]
        held_out, model = _models(work, data, features[seen], labels[seen])
        p = model(features)
        for name in work.machines:
            answers = _answers(name, labels, seen, data.n_classes, np.random.default_rng([work.seed, n]))
            told = answers[seen]
            told[: evidence.last_change(told == labels[seen])] = evidence.ABSTAINED
            found = evidence.fit(held_out, [told], labels[seen])
            alone = p.argmax(axis=1) == labels
            both = found.combine(p, [answers]).argmax(axis=1) == labels
            rows.append(
                {
                    "labels": n,
                    "machine": name,
                    "alone": float(alone[new].mean()),
                    "both": float(both[new].mean()),
                    "gain": round(found.gain, 2),
                    "power": [round(piece.power, 3) for piece in found.pieces],
                    "covered": _covered(labels, answers, seen[told != evidence.ABSTAINED], new, alone, both, blind),
                }
            )
    return rows


def _models(work: Work, data: Data, features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, Any]:
    """Return the cross-fitted probabilities of these items, and a function that predicts any by a model of all."""
    from models_store import estimators
    from models_store.config import TrainConfig
    from models_store.crossfit import held_out_probabilities
    from models_store.learning import learn
    from models_store.prediction import probabilities
    from models_store.training import Recipe, TrainingSet

    config = TrainConfig(learns_from="labels")
    if work.model == "network":
        recipe = Recipe(work.seed, config)
    else:
        options = {"classifier": "LogisticRegression", "parameters": '{"C": 0.1, "max_iter": 500}'}
        recipe = Recipe(work.seed, config, estimators.named("scikit-learn"), options)
    training_set = TrainingSet(features, labels, "single", data.n_classes, data.input_shape)
    held_out = held_out_probabilities(training_set, recipe, folds=10 if len(labels) <= FEW_LABELS else 5)
    model = learn(training_set, recipe).model
    return held_out, lambda asked: np.concatenate([part for _, part in probabilities(model, asked)])


def _answers(name: str, labels: np.ndarray, seen: np.ndarray, n_classes: int, rng: np.random.Generator) -> np.ndarray:
    """Return the machine's answers to all items. `seen`: the labeled items, the earliest first."""
    n = len(labels)
    chance, wrong = rng.random(n), (labels + rng.integers(1, n_classes, n)) % n_classes
    if name == "noise":
        return rng.integers(0, n_classes, n)
    if name == "liar":
        right = np.where(chance < 0.97, labels, wrong)
        return np.where(labels < max(1, round(LIES * n_classes)), (labels + 1) % n_classes, right)
    if name == "drift":
        share = np.full(n, 0.6)
        share[seen[: round(STEADY * len(seen))]] = 0.95
        return np.where(chance < share, labels, wrong)
    return np.where(chance < int(name) / 100, labels, wrong)


def _covered(
    labels: np.ndarray,
    answers: np.ndarray,
    seen: np.ndarray,
    new: np.ndarray,
    alone: np.ndarray,
    both: np.ndarray,
    blind: np.ndarray,
) -> dict[str, list[bool]]:
    """Say of each interval whether it holds the truth."""
    from models_store.contrast import difference
    from models_store.metrics import wilson

    right = answers == labels
    classes = [seen[labels[seen] == each] for each in np.unique(labels[seen])]
    ends = [(wilson(int(right[mine].sum()), len(mine)), right[new[labels[new] == labels[mine[0]]]]) for mine in classes]
    low, high = wilson(int(right[seen].sum()), len(seen))
    worth = difference(len(blind), int((both > alone)[blind].sum()), int((both < alone)[blind].sum()))
    return {
        "accuracy": [bool(low <= right[new].mean() <= high)],
        "classes": [bool(low <= truth.mean() <= high) for (low, high), truth in ends if len(truth)],
        "worth": [bool(worth.low <= both[new].mean() - alone[new].mean() <= worth.high)],
    }


def _summary(runs: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Summarise a data set: each machine by the number of labels, over seeds."""
    rows = [row for each in runs for row in each]
    sizes, machines = (list(dict.fromkeys(row[key] for row in rows)) for key in ("labels", "machine"))
    by_machine: dict[str, Any] = {}
    for name in machines:
        of = [[row for row in rows if (row["machine"], row["labels"]) == (name, n)] for n in sizes]
        alone, both = (np.array([[row[key] for row in each] for each in of]) for key in ("alone", "both"))
        target = float(alone.mean(axis=1).max())
        labels = labels_to_reach(np.array(sizes), both.mean(axis=1), target)
        by_machine[name] = {
            "alone": alone.mean(axis=1).tolist(),
            "added": (both - alone).mean(axis=1).tolist(),
            "worst": (both - alone).min(axis=1).tolist(),
            "counted": [sum(bool(row["power"]) for row in each) for each in of],
            "target": target,
            "labels_to_target": labels if np.isfinite(labels) else None,
            "covered": {
                figure: float(np.mean([told for each in of for row in each for told in row["covered"][figure]]))
                for figure in ("accuracy", "classes", "worth")
            },
        }
    return {"labels": sizes, "machines": by_machine, "runs": runs}


def _table(result: dict[str, Any]) -> str:
    lines = []
    for name, data in result["data"].items():
        some = next(iter(data["machines"].values()))
        lines += [
            f"{name}, {result['model']}, {result['seeds']} seeds: points that the machine adds, and in the worst seed",
            "",
            f"  {'labels':<10}" + "".join(f"{n:>17}" for n in data["labels"]) + f"{'labels to':>12}   intervals hold:",
            f"  {'alone %':<10}"
            + "".join(f"{100 * each:>17.1f}" for each in some["alone"])
            + f"{100 * some['target']:>10.1f} %   accuracy, by class, worth",
        ]
        for machine_name, row in data["machines"].items():
            cells = "".join(
                f"{100 * added:>+9.1f} ({100 * worst:+5.1f})"
                for added, worst in zip(row["added"], row["worst"], strict=True)
            )
            reach = "never" if row["labels_to_target"] is None else f"{row['labels_to_target']:.0f}"
            held = ", ".join(f"{100 * share:.0f} %" for share in row["covered"].values())
            lines.append(f"  {machine_name:<10}{cells}{reach:>12}   {held}")
        lines.append("")
    return "\n".join([*lines, f"{result['seconds']:.0f} s"])


def _sources(options: argparse.Namespace) -> Iterator[Source]:
    for name in options.data:
        yield Source(name)
    if options.vectors:
        yield Source(options.vectors.stem, vectors=options.vectors, labels=options.labels)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.machines",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    pools = ("digits", "noisy", "uneven")
    add("--data", nargs="+", choices=pools, help="Default: all three; with --vectors none.")
    add("--vectors", type=Path, metavar="X.npy", help="(n, d) numbers, one row an item; with --labels.")
    add("--labels", type=Path, metavar="y.npy", help="(n,) classes of those items.")
    add(
        "--sizes",
        type=int,
        nargs="+",
        default=SIZES,
        metavar="N",
        help="Numbers of labels. Default: 20 50 100 200 400.",
    )
    add("--machines", nargs="+", choices=MACHINES, default=MACHINES, help="Default: all.")
    add("--model", choices=("logistic", "network"), default="logistic", help="Default: logistic, which takes seconds.")
    add("--seeds", type=int, default=10, metavar="N", help="Default: 10.")
    add("--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="Default: one a core.")
    add("--json", action="store_true", help="One JSON object instead of the table.")
    options = parser.parse_args(arguments)
    if bool(options.vectors) != bool(options.labels):
        parser.error("--vectors and --labels go together.")
    if min(options.seeds, options.processes) < 1 or min(options.sizes) < 2:
        parser.error("--seeds and --processes are at least 1, --sizes at least 2.")
    options.data = options.data or ([] if options.vectors else list(pools))
    return options


if __name__ == "__main__":
    sys.exit(main())
