"""Do the intervals of "is it paying off?" hold the truth? The product's own loop, in memory, where the truth is known.

    python -m benchmarks.payoff --data digits --seeds 5                       # a first look, a few minutes
    python -m benchmarks.payoff --vectors X.npy --labels y.npy --batch 200    # your own arrays
    python -m benchmarks.payoff --json                                        # one JSON object

For each data set and seed, a project with control items: a first batch by chance, then batches by Cluster-Margin, and
after each from the third on, what the product would tell (models_store.payoff, from models_store.crossfit). The truth:
models that learned from random labels, several of each size, measured on test items that nothing is learned from; the
accuracy of each version on the same items; and the version that came next.

Reported: how often the interval of the random labels needed, and of the gain, held the truth; how often the lower end
was too high; and how the lower end and the estimate compare with the truth, in the median.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.efficiency.datasets import BUILT_IN, FASHION_FOLDER, Data, DataError, Source
from benchmarks.efficiency.loop import accuracy, seed_for
from models_store.config import TrainConfig
from models_store.crossfit import FOLDS, cross_fit, sizes_for
from models_store.model import Model
from models_store.payoff import Measured, next_gain, uniform_needs
from models_store.prediction import predict
from models_store.training import Recipe, TrainingSet, train
from selector.linkage import average_linkage
from selector.strategies import PoolArrays, pick, settle_factor

BATCH = {"digits": 60, "fashion": 500, "redundant": 500, "longtail": 250}
FIRST_TOLD = 3
REPEATS = 3
"""Models of each size of the true curve."""
MEAN_CLUSTER_SIZE = 5.0


def main(arguments: list[str] | None = None) -> int:
    import torch

    torch.set_num_threads(1)
    options = _parse(arguments)
    try:
        results = {source.name: _study(source, options) for source in _sources(options)}
    except (DataError, OSError) as error:
        print(f"payoff: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(json.dumps(results, allow_nan=False) if options.json else _table(results))
    return 0


def _study(source: Source, options: argparse.Namespace) -> dict[str, Any]:
    """Run all seeds of a data set, and summarise them."""
    estimates = []
    for seed in range(options.seeds):
        estimates += _project(source.load(seed), seed, options)
        print(f"{source.name}, seed {seed}: {len(estimates)} estimates", file=sys.stderr, flush=True)
    needed = np.array([each["truth"] for each in estimates])
    low, high, value = (np.array([each[name] for each in estimates]) for name in ("low", "high", "value"))
    return {
        "estimates": len(estimates),
        "needed_held": float(((low <= needed) & (needed <= high)).mean()),
        "lower_end_too_high": float((low > needed).mean()),
        "no_upper_end": float(np.isinf(high).mean()),
        "lower_end_of_truth": float(np.median(low / needed)),
        "estimate_of_truth": float(np.median(np.minimum(value, [each["limit"] for each in estimates]) / needed)),
        "gain_held": float(np.mean([each["gain_held"] for each in estimates])),
    }


def _project(data: Data, seed: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the product's estimates after each batch, with the truth."""
    n, batch = len(data.labels), options.batch or BATCH.get(data.name, max(len(data.labels) // 100, 20))
    order = np.random.default_rng(seed_for(seed, "control", 0)).permutation(n)
    control, others = order[: round(options.control_share * n)], np.sort(order[round(options.control_share * n) :])
    per_control = round(options.control_share * batch)
    learned = np.random.default_rng(seed_for(seed, "seed", 0)).permutation(others)[: batch - per_control]
    first, versions, clusters = learned, [_train(data, learned, seed_for(seed, "train", 0))], None
    truth = _true_curve(data, seed)
    estimates: list[dict[str, Any]] = []
    for number in range(1, options.rounds + 2):
        if number > FIRST_TOLD:
            gain = accuracy(versions[-1], data) - accuracy(versions[-2], data)
            estimates[-1]["gain_held"] = estimates[-1].pop("gain_low") <= gain <= estimates[-1].pop("gain_high")
        if number > options.rounds:
            break
        if number >= FIRST_TOLD:
            seen = control[: number * per_control]
            estimates.append(_tell(data, seed, versions, seen, first, len(first), len(learned), truth))
        if clusters is None:
            embeddings = np.concatenate([part.embeddings for part in predict(versions[0], data.features)])
            clusters = average_linkage(embeddings).cut(mean_cluster_size=MEAN_CLUSTER_SIZE)
        left = np.setdiff1d(others, learned)
        margins = np.concatenate([part.margins for part in predict(versions[-1], data.features[left])])
        pool = PoolArrays(size=len(left), margins=margins, clusters=clusters[left])
        size = batch - per_control
        factor = settle_factor("cluster-margin", pool, batch_size=size, candidate_factor=None) or 1.0
        rng = np.random.default_rng(seed_for(seed, "select", number))
        chosen = pick("cluster-margin", pool, batch_size=size, candidate_factor=factor, rng=rng)
        learned = np.concatenate([learned, left[chosen.indices]])
        versions.append(_train(data, np.sort(learned), seed_for(seed, "train", number)))
    return estimates


def _tell(
    data: Data,
    seed: int,
    versions: list[Model],
    control: np.ndarray,
    first: np.ndarray,
    step: int,
    learned: int,
    truth: tuple[np.ndarray, np.ndarray],
) -> dict[str, Any]:
    """Return the product's estimate for the newest version, with the truth."""
    uniform = np.concatenate([control, first])
    sizes = sizes_for(len(uniform))
    answers_of = np.empty((len(sizes), len(uniform)), np.int64)
    recipe = Recipe(seed_for(seed, "baseline", len(uniform)))
    for answers in cross_fit(_training_set(data, uniform), sizes, recipe):
        answers_of[answers.size, answers.items] = answers.best
    best = np.array([np.concatenate([p.best for p in predict(model, data.features[uniform])]) for model in versions])
    seen = np.tile(np.arange(len(uniform)) < len(control), (len(versions), 1))
    labels = step * np.arange(1, len(versions) + 1)
    wrong = best != data.labels[uniform]
    measured = Measured.of(labels, wrong, seen)
    thrown_away = Measured.of(sizes, answers_of != data.labels[uniform], models=[FOLDS] * len(sizes))
    limit = len(data.labels)
    needed = uniform_needs(thrown_away.joined(measured.rows([0])), measured.rows([-1]), limit=limit).needed
    gain = next_gain(measured, step).predicted
    return {
        "truth": _needed(accuracy(versions[-1], data), truth, limit),
        "limit": float(limit),
        "low": needed.low,
        "high": _or_infinite(needed.high),
        "value": _or_infinite(needed.value),
        "gain_low": gain.low,
        "gain_high": _or_infinite(gain.high),
    }


def _or_infinite(value: float | None) -> float:
    return float("inf") if value is None else value


def _true_curve(data: Data, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of random labels, and the mean accuracy of models trained on them, made non-decreasing."""
    n = len(data.labels)
    sizes = np.unique(np.geomspace(30, n, 12).astype(np.int64))
    shares = []
    for size in sizes:
        rows = [np.random.default_rng([seed, size, turn]).permutation(n)[:size] for turn in range(REPEATS)]
        shares.append(np.mean([accuracy(_train(data, each, seed + turn), data) for turn, each in enumerate(rows)]))
    return sizes, np.maximum.accumulate(shares)


def _needed(share: float, curve: tuple[np.ndarray, np.ndarray], limit: int) -> float:
    """Return the labels at which the true curve reaches the accuracy, linear in their logarithm; `limit` if it never
    does.
    """
    sizes, shares = curve
    if share > shares[-1]:
        return float(limit)
    place = int(np.searchsorted(shares, share))
    if place == 0:
        return float(sizes[0])
    before, after = shares[place - 1], shares[place]
    part = (share - before) / (after - before)
    return float(np.exp(np.log(sizes[place - 1]) + part * np.log(sizes[place] / sizes[place - 1])))


def _train(data: Data, rows: np.ndarray, seed: int) -> Model:
    # Without further trainings, which change no answer: many models are trained here.
    return train(_training_set(data, rows), Recipe(seed, TrainConfig(calibration_labels=0))).model


def _training_set(data: Data, rows: np.ndarray) -> TrainingSet:
    return TrainingSet(data.features[rows], data.labels[rows], "single", data.n_classes, data.input_shape)


def _sources(options: argparse.Namespace) -> list[Source]:
    sources = [Source(name, fashion_folder=options.fashion, pool=options.pool) for name in options.data]
    if options.vectors:
        sources.append(Source(options.vectors.stem, vectors=options.vectors, labels=options.labels, pool=options.pool))
    return sources


def _table(results: dict[str, dict[str, Any]]) -> str:
    names = list(next(iter(results.values())))
    lines = ["| pool | " + " | ".join(name.replace("_", " ") for name in names) + " |", "|---" * (len(names) + 1) + "|"]
    for pool, figures in results.items():
        cells = [str(figures[name]) if name == "estimates" else f"{figures[name]:.2f}" for name in names]
        lines.append(f"| {pool} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.payoff", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", nargs="+", choices=BUILT_IN, help="Default: digits.")
    add("--vectors", type=Path, metavar="X.npy", help="(n, d) numbers, one row an item; with --labels.")
    add("--labels", type=Path, metavar="y.npy", help="(n,) classes of those items.")
    add("--fashion", type=Path, default=FASHION_FOLDER, metavar="FOLDER", help=f"Default: {FASHION_FOLDER}.")
    add("--pool", type=int, metavar="N", help="Thin each pool to N items.")
    add("--seeds", type=int, default=5, metavar="N", help="Default: 5.")
    add("--rounds", type=int, default=6, metavar="N", help="Batches. Default: 6.")
    add("--batch", type=int, metavar="N", help="Default: 500; longtail 250, digits 60, arrays 1 %% of the pool.")
    add("--control-share", type=float, default=0.2, metavar="P", help="Default: 0.2.")
    add("--json", action="store_true", help="One JSON object instead of the table.")
    options = parser.parse_args(arguments)
    if bool(options.vectors) != bool(options.labels):
        parser.error("--vectors and --labels go together.")
    if options.rounds < FIRST_TOLD or options.seeds < 1 or not 0 < options.control_share < 1:
        parser.error(f"--rounds is at least {FIRST_TOLD}, --seeds at least 1, --control-share between 0 and 1.")
    options.data = options.data or ([] if options.vectors else ["digits"])
    return options


if __name__ == "__main__":
    sys.exit(main())
