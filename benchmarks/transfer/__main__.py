"""How long data take on their way in and out: imports of texts and of labels, and exports in all formats.

    python -m benchmarks.transfer                             # 100,000 items, SQLite
    scripts/with-postgres.sh python -m benchmarks.transfer    # PostgreSQL
    python -m benchmarks.transfer --items 1000000 --json      # one JSON object
    python -m benchmarks.transfer --only export               # some of them

Each measurement is a process of its own. CPU is what that process computes, without a server of PostgreSQL; memory is
the most it has held, beyond what it held before. The first byte of an export is counted from the call, in wall time;
`longest write` is the longest that an import has held SQLite's only writer, or a transaction on PostgreSQL. The aims
are seconds of wall time for 100,000 items: for an export to its first byte, but for `export pool` to its end.

The images are files of random bytes, which no export reads as a picture. `copy images` reads and writes the same files
without Marginalia, to compare with. `export pool` exports a tenth of its project's items.

A hundredth of the labels change between the dataset versions.

To measure something else, add its function to `MEASURED`, with the preparation that it needs.
"""

import argparse
import gc
import json
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring import in_a_process, machine
from benchmarks.transfer.clock import Result
from benchmarks.transfer.incoming import add_by_client, import_by_command, import_file
from benchmarks.transfer.outgoing import compare_versions, copy_images, export_all, export_version, freeze_labels
from benchmarks.transfer.projects import IMAGES, POOL, TEXTS, make_images, make_pool, make_texts
from scripts.installation import Installation, free_port

FILES = ("jsonl", "csv", "parquet")


class Measurement(NamedTuple):
    """A row of the table. `run`: a function from the number of items to the result, in a process of its own."""

    name: str
    run: Callable[[int], Result]
    needs: str = ""
    """The preparation that runs once before it."""
    times: int = 1
    """The factor of the number of items."""
    aim: float | None = None
    """The most seconds for 100,000 items."""
    first_byte: bool = False
    """Whether the aim is one for the first byte."""


def _export(form: str, of: str = TEXTS) -> Measurement:
    return Measurement(f"export {form}", partial(export_all, of, form), needs=of, aim=1.0, first_byte=True)


PREPARATIONS: dict[str, Callable[[int], Result]] = {TEXTS: make_texts, IMAGES: make_images, POOL: make_pool}
MEASURED = (
    *(Measurement(f"import {form}", partial(import_file, form)) for form in FILES),
    Measurement("import by command", partial(import_by_command, "truth"), aim=3.0),
    Measurement("import labels by command", partial(import_by_command, "label"), times=2, aim=10.0),
    Measurement("add by client", add_by_client, aim=10.0),
    *map(_export, (*FILES, "arrow", "huggingface")),
    Measurement("dataset version", partial(freeze_labels, 0.0), needs=TEXTS, aim=2.0),
    Measurement("dataset version after it", partial(freeze_labels, 0.01), needs=TEXTS, aim=0.3),
    Measurement("dataset versions compared", compare_versions, needs=TEXTS),
    Measurement("dataset version as JSONL", export_version, needs=TEXTS, aim=1.0, first_byte=True),
    Measurement("copy images", copy_images, needs=IMAGES),
    *(_export(form, IMAGES) for form in ("webdataset", "zip")),
    Measurement("export pool", partial(export_all, POOL, "jsonl"), needs=POOL, aim=3.0),
)


def measure(items: int, only: str) -> list[Result]:
    """Run the measurements with `only` in their names."""
    with tempfile.TemporaryDirectory() as folder:
        place = Installation(Path(folder), free_port(), database=os.environ.get("DATABASE_URL", ""))
        place.manage("migrate", "--verbosity", "0")
        os.environ.update(place.environment)
        prepared, results = {""}, []
        for each in MEASURED:
            if only not in each.name:
                continue
            if each.needs not in prepared:
                in_a_process("benchmarks.transfer", run=each.needs, items=items)
                prepared.add(each.needs)
            number = each.times * items
            result = in_a_process("benchmarks.transfer", run=each.name, items=number)
            results.append({"name": each.name, "items": number, **result, "aim": each.aim, "of_first": each.first_byte})
        return results


def print_table(results: list[Result]) -> None:
    heads = f"{'first byte s':>14}{'aim s':>7}{'longest write ms':>18}{'MB':>7}"
    print(f"{'':<26}{'items':>9}{'CPU s':>8}{'wall s':>8}{heads}")
    for each in results:
        first = f"{each['first']:.3f}" if "first" in each else ""
        write = f"{1000 * each['longest_write']:.0f}" if "longest_write" in each else ""
        aim = "" if each["aim"] is None else f"{each['aim']:g}"
        print(f"{each['name']:<26}{each['items']:>9,}{each['cpu']:>8.2f}{each['seconds']:>8.2f}{first:>14}{aim:>7}"
              f"{write:>18}{each['memory'] / 1e6:>7.0f}")  # fmt: skip


def main() -> int:
    runs = {**PREPARATIONS, **{each.name: each.run for each in MEASURED}}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000, help="Items in and out. Default: 100,000.")
    parser.add_argument("--only", default="", metavar="TEXT", help='Only what has this in its name: "export csv".')
    parser.add_argument("--json", action="store_true", help="One JSON object instead of the table.")
    parser.add_argument("--run", choices=runs, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        import django

        django.setup()
        gc.freeze()  # as servers, steps of the worker and imports by command do
        print(json.dumps(runs[options.run](options.items)))
        return 0
    results = measure(options.items, options.only)
    engine = "PostgreSQL" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "SQLite"
    if options.json:
        print(json.dumps({"machine": machine(), "database": engine, "items": options.items, "results": results}))
    else:
        print(f"{engine}, {options.items:,} items\n")
        print_table(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
