"""Does a model know how sure it may be? The trainer's recipes for calibration, side by side over several seeds.

    python -m benchmarks.calibration                                       # Fashion-MNIST, five seeds
    python -m benchmarks.calibration --labels-seen 5000                    # as early in a project
    python -m benchmarks.calibration --labels-seen 5000 --picked           # a tenth at random, the others by margin
    python -m benchmarks.calibration --vectors X.npy --labels y.npy        # your own arrays
    python -m benchmarks.calibration --json > result.json                  # one JSON object

Each recipe trains the product's own network (models_store.training) on the same labels from the same seed; measured is
what it says of test items that nothing was learned from, a temperature included.

    cross-entropy   cross-entropy alone
    temperature     cross-entropy, then a temperature fitted to held-back labels by likelihood
    soft            cross-entropy and the default's soft calibration error beside it, no temperature
    default         the product's default settings

With --picked there is a fifth, `as random`: the default, not told which labels were drawn at random, so that all that
are held back tell how sure it may be.

Reported, with 95 % intervals over seeds: accuracy, expected calibration error (ECE; 15 bins of equal mass, and of equal
width), Brier score over all classes, negative log-likelihood (NLL); by how much each recipe cuts the ECE of
cross-entropy alone, and of the temperature; what it costs in accuracy, relative. `chance` is the ECE that a perfectly
calibrated model stays below 95 times of 100 on so many test items: less cannot be told from none.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from benchmarks.efficiency.compare import mean_with_interval
from benchmarks.efficiency.datasets import FASHION_FOLDER, Data, DataError, Source
from benchmarks.measuring import machine, side_by_side
from models_store.config import TrainConfig

DEFAULT = TrainConfig()
PLAIN = replace(
    DEFAULT, loss="cross-entropy", label_smoothing=0.0, secondary="none", temperature="none", calibration_labels=0
)
RECIPES = {
    "cross-entropy": PLAIN,
    "temperature": replace(PLAIN, temperature="likelihood"),
    "soft": replace(DEFAULT, temperature="none"),
    "default": DEFAULT,
}
AS_RANDOM = "as random"
BATCHES = 9
FIGURES = ("accuracy", "ece", "ece_equal_width", "brier", "nll")


@dataclass(frozen=True)
class Work:
    """One recipe on one data set with one seed."""

    source: Source
    recipe: str
    seed: int
    labels_seen: int | None
    picked: bool


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    started = time.monotonic()
    recipes = [*RECIPES, AS_RANDOM] if options.picked else [*RECIPES]
    try:
        sources = list(_sources(options))
        works = [
            Work(source, recipe, seed, options.labels_seen, options.picked)
            for source in sources
            for seed in range(options.seeds)
            for recipe in recipes
        ]
        results = _run_all(works, options.processes)
    except (DataError, OSError, ValueError) as error:
        return _refuse(str(error))
    result = {
        "machine": machine(),
        "level": 0.95,
        "recipes": {name: asdict(config) for name, config in RECIPES.items()},
        "picked": options.picked,
        "data": {source.name: _summary(source.name, recipes, results) for source in sources},
        "seconds": round(time.monotonic() - started, 1),
    }
    print(json.dumps(result, allow_nan=False) if options.json else _table(result))
    return 0


def run(work: Work) -> dict[str, Any]:
    """Train one model and measure it, in one thread."""
    import torch

    from models_store.prediction import probabilities
    from models_store.training import Recipe, train

    torch.set_num_threads(1)
    data = work.source.load(work.seed)
    rows, drawn = _labeled(work, data)
    representative = np.isin(rows, drawn) if work.recipe == "default" else None
    trained = train(_training_set(data, rows, representative), Recipe(work.seed, RECIPES.get(work.recipe, DEFAULT)))
    p = np.concatenate([part for _, part in probabilities(trained.model, data.test_features)])
    return {
        "labels": len(rows),
        "held_back": trained.validation_size,
        "calibrated_on": trained.calibration_size,
        "tests": len(p),
        "classes": data.n_classes,
        "calibration": trained.calibration and trained.calibration._asdict(),
        "steps": trained.steps,
        "seconds": round(trained.seconds, 2),
        **_measure(p.astype(np.float64), data),
    }


def _labeled(work: Work, data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Return the labeled rows, ascending, and those of them that were drawn at random.

    All rows are random, or with `picked` a tenth; the others are picked as in a project, in nine batches of the
    smallest margins of a model trained on the earlier batches.
    """
    from models_store.prediction import predict
    from models_store.training import Recipe, train

    order = np.random.default_rng([work.seed, 11]).permutation(len(data.labels))[: work.labels_seen]
    if not work.picked:
        return np.sort(order), order
    drawn = rows = np.sort(order[: max(1, len(order) // (BATCHES + 1))])
    for size in np.diff(np.linspace(len(drawn), len(order), BATCHES + 1).round().astype(int)):
        model = train(_training_set(data, rows), Recipe(work.seed + len(rows), PLAIN)).model
        margins = np.concatenate([part.margins for part in predict(model, data.features)])
        margins[rows] = np.inf
        rows = np.sort(np.concatenate([rows, np.argsort(margins)[:size]]))
    return rows, drawn


def _training_set(data: Data, rows: np.ndarray, representative: np.ndarray | None = None) -> Any:
    from models_store.training import TrainingSet

    return TrainingSet(
        data.features[rows],
        data.labels[rows],
        "single",
        data.n_classes,
        data.input_shape,
        representative=representative,
    )


def _measure(p: np.ndarray, data: Data) -> dict[str, float]:
    from models_store.reliability import calibration

    truth = data.test_labels
    measured = calibration(np.clip(p.max(axis=1), 0, 1), p.argmax(axis=1) == truth)
    assert measured is not None
    of_truth = p[np.arange(len(p)), truth]
    return {
        "accuracy": measured.right,
        "ece": measured.ece,
        "ece_equal_width": measured.ece_equal_width,
        "chance": measured.chance,
        "brier": float((np.square(p).sum(axis=1) - 2 * of_truth + 1).mean()),
        "nll": float(-np.log(np.maximum(of_truth, np.finfo(np.float32).tiny)).mean()),
    }


def _summary(name: str, recipes: list[str], results: dict[Work, dict[str, Any]]) -> dict[str, Any]:
    """Summarise a data set: each recipe's figures by seed and over seeds, and compared with the first two recipes."""
    of = {
        recipe: [
            result
            for work, result in sorted(results.items(), key=_order)
            if (work.source.name, work.recipe) == (name, recipe)
        ]
        for recipe in recipes
    }
    first = of["cross-entropy"][0]
    return {
        **{key: first[key] for key in ("labels", "held_back", "tests", "classes")},
        "chance": float(np.mean([result["chance"] for result in of["default"]])),
        "recipes": {recipe: _of_recipe(results, of) for recipe, results in of.items()},
    }


def _order(entry: tuple[Work, dict[str, Any]]) -> int:
    return entry[0].seed


def _of_recipe(results: list[dict[str, Any]], of: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    figures = {name: np.array([result[name] for result in results]) for name in FIGURES}
    means = {name: {**asdict(mean_with_interval(values)), "seeds": values.tolist()} for name, values in figures.items()}
    return {
        **means,
        "calibrated_on": results[0]["calibrated_on"],
        "calibration": [result["calibration"] for result in results],
        "seconds": [result["seconds"] for result in results],
        "against": {rival: _against(figures, of[rival]) for rival in ("cross-entropy", "temperature")},
    }


def _against(figures: dict[str, np.ndarray], rival: list[dict[str, Any]]) -> dict[str, Any]:
    """Compare the mean ECE and the mean accuracy with a rival's; the differences are paired by seed."""
    ece, width, right = (
        np.array([result[name] for result in rival]) for name in ("ece", "ece_equal_width", "accuracy")
    )
    return {
        "ece_cut": float(1 - figures["ece"].mean() / ece.mean()),
        "ece_equal_width_cut": float(1 - figures["ece_equal_width"].mean() / width.mean()),
        "accuracy_lost": float(1 - figures["accuracy"].mean() / right.mean()),
        "ece_difference": asdict(mean_with_interval(figures["ece"] - ece)),
        "accuracy_difference": asdict(mean_with_interval(figures["accuracy"] - right)),
    }


def _table(result: dict[str, Any]) -> str:
    lines = []
    for name, data in result["data"].items():
        lines += [
            f"{name}: {data['labels']:,} labels, {data['tests']:,} test items, {data['classes']} classes; by chance "
            f"alone an ECE of up to {100 * data['chance']:.2f} %",
            "",
            f"  {'':<14}{'accuracy %':>11}{'ECE %':>22}{'width %':>9}{'Brier':>8}{'NLL':>7}{'cut':>7}{'lost':>8}",
        ]
        for recipe, estimates in data["recipes"].items():
            against = estimates["against"]["cross-entropy"]
            ece = estimates["ece"]
            between = "" if ece["low"] is None else f" [{100 * ece['low']:.2f}, {100 * ece['high']:.2f}]"
            lines.append(
                f"  {recipe:<14}{100 * estimates['accuracy']['value']:>11.2f}{100 * ece['value']:>7.2f}{between:>15}"
                f"{100 * estimates['ece_equal_width']['value']:>9.2f}{estimates['brier']['value']:>8.4f}"
                f"{estimates['nll']['value']:>7.3f}"
                f"{100 * against['ece_cut']:>5.0f} %{100 * against['accuracy_lost']:>6.2f} %"
            )
        beside = data["recipes"]["default"]["against"]["temperature"]
        lines += [
            "",
            f"  The default has {100 * beside['ece_cut']:.0f} % less ECE than a temperature alone "
            f"({_signed(beside['ece_difference'])} points).",
            "",
        ]
    return "\n".join([*lines, f"{result['seconds']:.0f} s"])


def _signed(difference: dict[str, Any]) -> str:
    ends = ("value", "low", "high")
    value, low, high = ("?" if difference[end] is None else f"{100 * difference[end]:+.2f}" for end in ends)
    return f"{value} [{low}, {high}]"


def _run_all(works: list[Work], processes: int) -> dict[Work, dict[str, Any]]:
    """Run the trainings in parallel, with a line on standard error for each model."""
    started, results = time.monotonic(), {}
    for n, (work, result) in enumerate(side_by_side(run, works, processes), start=1):
        results[work] = result
        line = f"{work.source.name}, seed {work.seed}, {work.recipe}: ECE {100 * result['ece']:.2f} %"
        print(f"{time.monotonic() - started:6.0f} s  {n}/{len(works)}  {line}", file=sys.stderr, flush=True)
    return results


def _sources(options: argparse.Namespace) -> Iterator[Source]:
    common = {"fashion_folder": options.fashion, "network": options.network, "test_share": options.test_share}
    for name in options.data:
        yield Source(name, **common)
    if options.vectors:
        yield Source(options.vectors.stem, vectors=options.vectors, labels=options.labels, **common)


def _refuse(message: str) -> int:
    print(f"calibration: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = _Parser(
        prog="python -m benchmarks.calibration",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", nargs="*", choices=("fashion", "digits"), help="Default: fashion, unless arrays are given.")
    add("--vectors", type=Path, metavar="X.npy", help="(n, d) numbers, one row an item; with --labels.")
    add("--labels", type=Path, metavar="y.npy", help="(n,) classes of those items.")
    add("--test-share", type=float, default=0.3, metavar="P", help="Of arrays and digits, for testing. Default: 0.3.")
    add("--labels-seen", type=int, metavar="N", help="Train on so many labels. Default: all that are not for testing.")
    add("--picked", action="store_true", help="Labels of doubtful items, as active learning picks them.")
    add("--seeds", type=int, default=5, metavar="N", help="Default: 5.")
    add("--network", choices=("mlp", "convnet"), default="mlp", help="mlp: on pixels as they are (default).")
    add("--fashion", type=Path, default=FASHION_FOLDER, metavar="FOLDER", help=f"Default: {FASHION_FOLDER}.")
    add("--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="Default: one a core.")
    add("--json", action="store_true", help="One JSON object instead of the table.")
    options = parser.parse_args(arguments)
    problem = _problem(options)
    if problem:
        sys.exit(_refuse(problem))
    options.data = options.data if options.data is not None else ([] if options.vectors else ["fashion"])
    return options


def _problem(options: argparse.Namespace) -> str | None:
    if bool(options.vectors) != bool(options.labels):
        return "--vectors and --labels go together."
    if options.data == [] and not options.vectors:
        return "name at least one data set after --data."
    for name in ("seeds", "processes", "labels_seen"):
        value = getattr(options, name)
        if value is not None and value < 1:
            return f"--{name.replace('_', '-')} is a whole number of at least 1, not {value}."
    if options.picked and options.labels_seen is None:
        return "--picked needs --labels-seen: of all items there is nothing to pick."
    if not 0 < options.test_share < 1:
        return f"--test-share lies between 0 and 1, not at {options.test_share:g}."
    if options.network == "convnet" and (options.vectors or "digits" in (options.data or [])):
        return "--network convnet takes images: --data fashion."
    return None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Print the error as one line, without the usage."""
        sys.exit(_refuse(message))


if __name__ == "__main__":
    sys.exit(main())
