"""How many seconds of people's time does a model take? Ways of asking for labels, compared by simulated people.

    python -m benchmarks.human_seconds --pools digits --seeds 2                         # a first look, a minute
    python -m benchmarks.human_seconds --pools redundant --items 10000 --batch 125    # a thinner pool: some minutes
    python -m benchmarks.human_seconds --vectors X.npy --labels y.npy                 # your own arrays
    python -m benchmarks.human_seconds --json > result.json                           # one JSON object

Ways, all but the first by Cluster-Margin: `uniform` and `one by one` show each item alone; `suggestions` shows the
model's guess with half of them; `grids` shows up to 60 items of one predicted class, the wrong ones are clicked and
then answered one by one; `near-copies` shows with each item up to five that the dendrogram merges with it, which get
its label, at half its weight, once checks have shown how far that holds (selector/near_copies.py, selector/radius.py);
`near-copies, all trusted` propagates all that people leave, without proof.

Within a seed all share the data, the people, the first batch (one by one, at random) and the clustering. Times are of
the keystroke-level model, errors of published studies: benchmarks/seconds/people.py. Reported, with 95 % intervals over
seeds: the seconds until the accuracy that `uniform` ends with, and the share of wrong labels among all that the last
model learns. No seconds are counted for waiting, reading guidelines, or breaks.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.efficiency.datasets import BUILT_IN, FASHION_FOLDER, DataError, Source
from benchmarks.efficiency.loop import Plan
from benchmarks.label_efficiency import MEAN_CLUSTER_SIZE, ROUNDS, USUAL
from benchmarks.measuring import machine, side_by_side
from benchmarks.seconds.people import ERROR
from benchmarks.seconds.projects import Work, run
from benchmarks.seconds.report import BASELINE, RIVAL, summarise, table
from benchmarks.seconds.ways import WAYS

POOLS = ("redundant", "fashion", "digits")


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    started, cpu = time.monotonic(), os.times()
    try:
        works = [work for source in _sources(options) for work in _works(source, options)]
        runs = {}
        for work, outcome in side_by_side(run, works, options.processes):
            runs[work] = outcome
            print(
                f"{time.monotonic() - started:6.0f} s  {work.source.name}, seed {work.seed}",
                file=sys.stderr,
                flush=True,
            )
    except (DataError, OSError, ValueError) as error:
        print(f"human_seconds: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    names = list(dict.fromkeys(work.source.name for work in works))
    result = {
        **machine(),
        "load": round(os.getloadavg()[0], 2),
        "person_error": options.person_error,
        "pools": {name: summarise(name, [runs[work] for work in works if work.source.name == name]) for name in names},
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(sum(os.times()[:4]) - sum(cpu[:4]), 1),
    }
    print(json.dumps(result, allow_nan=False) if options.json else table(result))
    return 0


def _sources(options: argparse.Namespace) -> list[Source]:
    common = {"fashion_folder": options.fashion, "pool": options.items, "test_share": options.test_share}
    sources = [Source(name, **common) for name in options.pools]
    if options.vectors:
        sources.append(Source(options.vectors.stem, vectors=options.vectors, labels=options.labels, **common))
    return sources


def _works(source: Source, options: argparse.Namespace) -> list[Work]:
    """Return a simulation for each seed, by default with a budget of ten batches. Raises DataError."""
    items = len(source.load(0).labels)
    usual = USUAL[source.name][0] if source.name in USUAL else max(items // 100, 1)
    batch = options.batch or usual
    if (options.rounds + 1) * batch > items:
        raise DataError(f"{source.name}: {(options.rounds + 1) * batch} labels are asked for, the pool holds {items}.")
    ways = tuple(dict.fromkeys((BASELINE, RIVAL, *options.ways)))
    plan = Plan(batch, batch, options.rounds, None, MEAN_CLUSTER_SIZE)
    return [Work(source, plan, seed, options.person_error, ways) for seed in range(options.seeds)]


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.human_seconds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--pools",
        nargs="+",
        choices=BUILT_IN,
        metavar="POOL",
        help=f"Of {', '.join(BUILT_IN)}. Default: {', '.join(POOLS)}.",
    )
    add("--vectors", type=Path, metavar="X.npy", help="(n, d) numbers, one row an item; with --labels.")
    add("--labels", type=Path, metavar="y.npy", help="(n,) classes of those items.")
    add("--test-share", type=float, default=0.3, metavar="P", help="Of arrays and digits, for testing. Default: 0.3.")
    add("--fashion", type=Path, default=FASHION_FOLDER, metavar="FOLDER", help=f"Default: {FASHION_FOLDER}.")
    add("--items", type=int, metavar="N", help="Thin each pool to N items.")
    add(
        "--ways",
        nargs="+",
        choices=WAYS,
        default=list(WAYS),
        metavar="WAY",
        help="Default: all. uniform and 'one by one' always take part.",
    )
    add("--seeds", type=int, default=5, metavar="N", help="Default: 5.")
    add(
        "--batch",
        type=int,
        metavar="N",
        help="Default: 500; longtail 250, digits 40, arrays 1 %% of the pool.",
    )
    add("--rounds", type=int, default=ROUNDS, metavar="N", help=f"Batches after the first. Default: {ROUNDS}.")
    add("--person-error", type=float, default=ERROR, metavar="P", help=f"Of one answer alone. Default: {ERROR}.")
    add("--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="Default: one a core.")
    add("--json", action="store_true", help="One JSON object instead of the table.")
    options = parser.parse_args(arguments)
    if bool(options.vectors) != bool(options.labels):
        parser.error("--vectors and --labels go together.")
    if min(options.seeds, options.rounds, options.processes) < 1 or min(options.items or 1, options.batch or 1) < 1:
        parser.error("--seeds, --rounds, --processes, --items and --batch are at least 1.")
    if not (0 < options.test_share < 1 and 0 <= options.person_error < 1):
        parser.error("--test-share lies between 0 and 1, --person-error from 0 to below 1.")
    options.pools = options.pools or ([] if options.vectors else list(POOLS))
    return options


if __name__ == "__main__":
    sys.exit(main())
