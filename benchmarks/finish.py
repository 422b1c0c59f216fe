"""What does a label for every item of a pool take? Ways to the end, compared by simulated people.

    python -m benchmarks.finish --pools digits --seeds 2                        # a first look, some minutes
    python -m benchmarks.finish --pools redundant --items 5000                  # a thinner pool
    python -m benchmarks.finish --pools texts --items 4000                      # texts of Debian's package dict-gcide
    python -m benchmarks.finish --pools pairs --each-class                      # several classes an item
    python -m benchmarks.finish --vectors X.npy --labels y.npy --json           # your own arrays, one JSON object

The goal is a label for all items, of which at most a share is wrong (--targets). Ways:

    finish               batches by Cluster-Margin until an audit pays (finishing.certifying.schedule), audits and
                         certificates (plan, proof), people for the rest; asked alone, with a suggestion or in grids, by
                         expected seconds (benchmarks.finishing.asking); answers are checked where the model disagrees
                         (labeling.labels.resolving.posterior)
    one-by-one           one answer an item
    one-by-one-overlap   two answers an item, more until two agree
    grids                as finish until its first audit, then grids for all other items; not of several classes an item
    threshold            as finish until its first audit, then the model's labels as far as its probabilities promise
                         the target, without proof; one answer for the rest

Training, calibration, clustering and selection are the product's. A person is wrong in 3 of 100 answers; times and
errors of grids and suggestions are those of benchmarks/seconds/people.py. Each further answer to an item is another
person's. Of several classes an item, a wrong answer is wrong about one class, all items are asked alone, no answer is
weighed against the model's, and the target is for whole labels or, with --each-class, for each class by itself.
Reported by seed: seconds as a share of those of one by one, and the share of the pool's labels that are
wrong.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.efficiency.datasets import BUILT_IN, FASHION_FOLDER, FURTHER, DataError, Source
from benchmarks.finishing.report import summarise, table
from benchmarks.finishing.ways import Work, run
from benchmarks.measuring import machine, side_by_side
from benchmarks.seconds.people import ERROR
from models_store.config import TrainConfig

CONTROL = 0.1
POOLS = ("digits", "noisy")
"""The default: pools that need no files and take minutes."""

QUICK: dict[str, Any] = {"epochs": 20, "min_steps": 100, "calibration_labels": 0}


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    started = time.monotonic()
    config = replace(TrainConfig(), **QUICK) if options.quick else TrainConfig()
    targets = tuple(options.targets)
    try:
        works = [
            Work(
                source,
                seed,
                options.person_error,
                targets,
                options.batch,
                config,
                options.verbose,
                options.near_copies,
                options.control_share,
                options.each_class,
            )
            for source in _sources(options)
            for seed in range(options.seeds)
        ]
        runs = {}
        for work, outcome in side_by_side(run, works, options.processes):
            runs[work] = outcome
            seconds = time.monotonic() - started
            print(f"{seconds:6.0f} s  {work.source.name}, seed {work.seed}", file=sys.stderr, flush=True)
    except (DataError, OSError, ValueError) as error:
        print(f"finish: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    names = list(dict.fromkeys(work.source.name for work in works))
    result = {
        **machine(),
        "load": round(os.getloadavg()[0], 2),
        "person_error": options.person_error,
        "pools": {name: summarise([runs[work] for work in works if work.source.name == name]) for name in names},
        "seconds": round(time.monotonic() - started, 1),
    }
    print(json.dumps(result, allow_nan=False) if options.json else table(result))
    return 0


def _sources(options: argparse.Namespace) -> list[Source]:
    common = {"fashion_folder": options.fashion, "pool": options.items, "several": True}
    sources = [Source(name, **common) for name in options.pools]
    if options.vectors:
        sources.append(Source(options.vectors.stem, vectors=options.vectors, labels=options.labels, **common))
    return sources


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.finish",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    pools = [*BUILT_IN, *FURTHER]
    add(
        "--pools",
        nargs="+",
        choices=pools,
        metavar="POOL",
        help=f"Of {', '.join(pools)}. Default: {', '.join(POOLS)}; with --vectors none.",
    )
    add("--vectors", type=Path, metavar="X.npy", help="(n, d) numbers, one row an item; with --labels.")
    add("--labels", type=Path, metavar="y.npy", help="(n,) classes of those items, or (n, classes) of 0 and 1.")
    add("--fashion", type=Path, default=FASHION_FOLDER, metavar="FOLDER", help=f"Default: {FASHION_FOLDER}.")
    add("--items", type=int, metavar="N", help="Thin each pool to N items.")
    add("--targets", type=_targets, default=[0.02, 0.05], metavar="P,P", help="Default: 0.02,0.05.")
    add("--seeds", type=int, default=3, metavar="N", help="Default: 3.")
    add(
        "--batch",
        type=int,
        metavar="N",
        help="Of a batch, at least. Default: a fiftieth of the pool, at least 40.",
    )
    add("--person-error", type=float, default=ERROR, metavar="P", help=f"Of one answer alone. Default: {ERROR}.")
    add("--near-copies", type=int, default=0, metavar="N", help="Beside each picked item, at most. Default: none.")
    add("--control-share", type=float, default=CONTROL, metavar="P", help=f"As in the product. Default: {CONTROL}.")
    add("--each-class", action="store_true", help="The target is for each class by itself: of several classes an item.")
    add("--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="Default: one a core.")
    add("--quick", action="store_true", help="Short trainings, without further ones for calibration.")
    add("--verbose", action="store_true", help="A line on standard error for each model version and each audit.")
    add("--json", action="store_true", help="One JSON object instead of the table.")
    options = parser.parse_args(arguments)
    if bool(options.vectors) != bool(options.labels):
        parser.error("--vectors and --labels go together.")
    if min(options.seeds, options.processes) < 1 or min(options.items or 1, options.batch or 1) < 1:
        parser.error("--seeds, --processes, --items and --batch are at least 1.")
    if options.near_copies < 0:
        parser.error("--near-copies is at least 0.")
    if not 0 <= options.control_share <= 0.9:
        parser.error("--control-share lies between 0 and 0.9.")
    if not 0 < options.person_error < 0.5:
        parser.error("--person-error lies between 0 and 0.5.")
    options.pools = options.pools or ([] if options.vectors else list(POOLS))
    return options


def _targets(text: str) -> list[float]:
    targets = [float(part) for part in text.split(",")]
    if not all(0 < target < 1 for target in targets):
        raise argparse.ArgumentTypeError("each target lies between 0 and 1")
    return targets


if __name__ == "__main__":
    sys.exit(main())
