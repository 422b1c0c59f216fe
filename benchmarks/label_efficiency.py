"""Does it save labels? Simulated projects, each strategy beside uniform and margin, over several seeds.

    python -m benchmarks.label_efficiency                                    # all four data sets, five seeds
    python -m benchmarks.label_efficiency --data digits --processes 2        # a first look, a few minutes
    python -m benchmarks.label_efficiency --vectors X.npy --labels y.npy     # your own arrays
    python -m benchmarks.label_efficiency --json > result.json               # one JSON object

For each data set, strategy and seed: a first batch, then rounds of training, selecting and labeling with the product's
own code (models_store.training, selector) and its default settings; accuracy is measured on test items that nothing is
learned from. Strategies share data, first batch, initial weights and clustering within a seed. But uniform and
cluster-margin-labels begin with a random batch, and their models learn labels alone.

Reported, with 95 % intervals over seeds: the labels that a strategy needs to reach the accuracy that uniform has with
its whole budget, as a share of uniform's and of margin's labels; and where on the curve it is significantly worse or
better than uniform or margin. How: benchmarks/efficiency/compare.py.

Each result goes to a file in --out as soon as it is there: a run that was killed goes on where it was. Results are
taken up again only if data and settings are the same. The code is not compared: name another folder after a change.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.efficiency import loop, report
from benchmarks.efficiency.datasets import BUILT_IN, FASHION_FOLDER, IMAGES, Data, DataError, Source
from benchmarks.measuring import side_by_side
from selector.strategies import STRATEGIES

# The first batch, and every later one, and the budget.
USUAL = {"fashion": (500, 5000), "redundant": (500, 5000), "longtail": (250, 2500), "digits": (40, 400)}
ROUNDS = 9
WAYS = (*STRATEGIES, loop.AHEAD, loop.LABELS_ALONE, loop.MIXED)
# Of a new project: tests hold them to labeling.models.Project.
CANDIDATE_FACTOR: float | None = None
"""As many candidates as it takes for each item to come from another cluster."""
MEAN_CLUSTER_SIZE = 5.0


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    started = time.monotonic()
    try:
        works = _plan(options)
        _run_all(works, options.processes)
    except (DataError, OSError, ValueError) as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        return 130
    except BrokenProcessPool:
        print("A process was killed (out of memory?). The same command goes on from here.", file=sys.stderr)
        return 1
    result = report.summarise(works, options.out)
    result["seconds"] = round(time.monotonic() - started, 1)
    print(json.dumps(result, allow_nan=False) if options.json else report.table(result))
    return 0


def _refuse(message: str) -> int:
    print(f"label_efficiency: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _plan(options: argparse.Namespace) -> list[loop.Work]:
    """Return the simulations to run, with each setting checked against the data. Raises DataError."""
    works = []
    for source in _sources(options):
        data = source.load(options.seeds[0])
        plan = _plan_for(source, data, options)
        works += [
            loop.Work(source, plan, tuple(options.strategies), seed, options.out.resolve()) for seed in options.seeds
        ]
    return works


def _sources(options: argparse.Namespace) -> list[Source]:
    common = {
        "network": options.network,
        "pool": options.pool,
        "test_share": options.test_share,
        "wrong_answers": options.wrong_answers,
        "broken_items": options.broken_items,
    }
    sources = [Source(name, fashion_folder=options.fashion, **common) for name in options.data]
    if options.vectors:
        sources.append(Source(options.vectors.stem, vectors=options.vectors, labels=options.labels, **common))
    return sources


def _plan_for(source: Source, data: Data, options: argparse.Namespace) -> loop.Plan:
    n = len(data.labels)
    batch, budget = USUAL.get(source.name, (max(n // 100, 1), max(n // 100, 1) * (ROUNDS + 1)))
    if options.batch:
        batch, budget = options.batch, options.batch * (ROUNDS + 1)
    seed_batch = options.seed_batch or batch
    budget = options.budget or (seed_batch + options.rounds * batch if options.rounds else budget)
    rounds = (budget - seed_batch) // batch
    if rounds < 1:
        raise DataError(
            f"{source.name}: a budget of {budget} leaves no batch of {batch} after the first of {seed_batch}."
        )
    if seed_batch + rounds * batch > n:
        raise DataError(f"{source.name}: {seed_batch + rounds * batch} labels are asked for, the pool holds {n} items.")
    return loop.Plan(
        seed_batch, batch, rounds, options.candidate_factor, options.mean_cluster_size, options.ahead_share
    )


def _run_all(works: list[loop.Work], processes: int) -> None:
    """Run the simulations in parallel, with a line on standard error for each."""
    works[0].folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    for n, (work, seconds) in enumerate(side_by_side(loop.run, works, processes), start=1):
        print(
            f"{time.monotonic() - started:6.0f} s  {n}/{len(works)}  {work.source.name}, seed {work.seed}: "
            f"{seconds:.0f} s",
            file=sys.stderr,
            flush=True,
        )


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = _Parser(
        prog="python -m benchmarks.label_efficiency",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=_names(BUILT_IN), metavar="A,B", help=f"Of {', '.join(BUILT_IN)}. Default: all.")
    add("--vectors", type=Path, metavar="X.npy", help="(n, d) numbers, one row an item; with --labels.")
    add("--labels", type=Path, metavar="y.npy", help="(n,) classes of those items.")
    add("--test-share", type=_share, default=0.3, metavar="P", help="Of arrays and digits, for testing. Default: 0.3.")
    add(
        "--wrong-answers",
        type=_share,
        default=0.0,
        metavar="P",
        help="Share of the pool's items whose label is another class at random; test items keep theirs. Default: none.",
    )
    add(
        "--broken-items",
        type=_share,
        default=0.0,
        metavar="P",
        help="Share of the pool's items that are broken, with a class at random; test items are whole. Default: none.",
    )
    add("--fashion", type=Path, default=FASHION_FOLDER, metavar="FOLDER", help=f"Default: {FASHION_FOLDER}.")
    add(
        "--strategies",
        type=_names(WAYS),
        metavar="A,B",
        help="Default: all. uniform always takes part.",
    )
    add("--seeds", type=_positive, default=5, metavar="N", help="Default: 5.")
    add("--seed-batch", type=_positive, metavar="N", help="Size of the first batch. Default: as --batch.")
    add("--batch", type=_positive, metavar="N", help="Default: 500; longtail 250, digits 40, arrays 1 %% of the pool.")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--budget", type=_positive, metavar="N", help="Labels in all. Default: ten batches.")
    length.add_argument("--rounds", type=_positive, metavar="N", help="Batches after the first, instead of --budget.")
    add("--candidate-factor", type=_factor, default=CANDIDATE_FACTOR, metavar="F", help="Default: as in the product.")
    add("--mean-cluster-size", type=_factor, default=MEAN_CLUSTER_SIZE, metavar="F", help="Default: as in the product.")
    add(
        "--ahead-share",
        type=_share,
        default=0.2,
        metavar="P",
        help=f"{loop.AHEAD}: given before the new model is there.",
    )
    add("--pool", type=_positive, metavar="N", help="Thin each pool to N items, for a quicker, rougher look.")
    add("--network", choices=("mlp", "convnet"), default="mlp", help="mlp: on pixels as they are (default).")
    add("--processes", type=_positive, default=os.cpu_count() or 1, metavar="N", help="Default: one a core.")
    add("--out", type=Path, default=Path("label-efficiency"), metavar="FOLDER", help="Default: label-efficiency.")
    add("--json", action="store_true", help="One JSON object instead of the table.")
    options = parser.parse_args(arguments)
    problem = _problem(options)
    if problem:
        sys.exit(_refuse(problem))
    options.data = options.data or ([] if options.vectors else list(BUILT_IN))
    options.strategies = list(dict.fromkeys(["uniform", *(options.strategies or WAYS)]))
    options.seeds = list(range(options.seeds))
    return options


def _problem(options: argparse.Namespace) -> str | None:
    if bool(options.vectors) != bool(options.labels):
        return "--vectors and --labels go together."
    if options.network == "convnet" and options.broken_items:
        return "--broken-items takes numbers, not --network convnet."
    if options.network == "convnet" and (options.vectors or set(options.data or BUILT_IN) - set(IMAGES)):
        return f"--network convnet takes images: --data {','.join(IMAGES)}."
    return None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Print the error as one line, without the usage."""
        sys.exit(_refuse(message))


def _names(known: Iterable[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        names = list(dict.fromkeys(name.strip() for name in text.split(",")))
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return names

    return read


def _positive(text: str) -> int:
    return _number(text, int, "a whole number of at least 1", lambda value: value >= 1)


def _factor(text: str) -> float:
    return _number(text, float, "a number of at least 1", lambda value: 1 <= value < float("inf"))


def _share(text: str) -> float:
    return _number(text, float, "a number between 0 and 1", lambda value: 0 < value < 1)


def _number(text: str, kind: Callable[[str], Any], expected: str, fits: Callable[[Any], bool]) -> Any:
    try:
        value = kind(text)
    except ValueError:
        value = float("nan")
    if not fits(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
    return value


if __name__ == "__main__":
    sys.exit(main())
