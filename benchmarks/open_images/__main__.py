"""Open Images' shape: a turn of the loop over 20,000 classes of a long tail, each step's seconds, memory and bytes.

    python -m benchmarks.open_images --items 100000,300000      # and by which power of the items each step grows
    python -m benchmarks.open_images --items 1000000 --batch 100000 --question multi --json
    scripts/with-postgres.sh python -m benchmarks.open_images   # PostgreSQL in place of SQLite

Made-up vectors around the centres of classes that lie in a tree, with the frequencies of Open Images V4
(`benchmarks/open_images/made_up.py` says by which law): `verify` asks yes or no on a proposed class, `multi` for all
classes of an item. They are imported, encoded, and picked from at random; the batch is answered by plain SQL, a version
is trained on it, and the next batch is picked by that; all labels are exported. The product's own steps, one after the
other, in one process for each size.

A folder stands in for the object store, and before each step all local copies of what lies there are removed, as if
each step ran on a host that has none: "from the store" is what such a host has to be sent, the egress.
"""

import argparse
import json
import math
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measuring import in_a_process, machine
from benchmarks.open_images import made_up
from benchmarks.open_images.counted import MOVED
from benchmarks.turning import Clock, as_a_worker, turn
from scripts.installation import Installation, free_port

MODULE = "benchmarks.open_images"
GAUGES = {"from_store": "from the store", "into_store": "into the store", "written": "to disk", "database": "database"}


def gauges() -> dict[str, float]:
    """Return totals in bytes: read from and written to the store, written to disk (including the store's folder), and
    the size of the database; and the number of requests to the store.
    """
    lines = Path("/proc/self/io").read_text().splitlines()
    written = next(line for line in lines if line.startswith("write_bytes")).split()[1]
    return {"from_store": MOVED["left"], "into_store": MOVED["came"], "requests": MOVED["requests"],
            "written": int(written), "database": _database_bytes()}  # fmt: skip


def _database_bytes() -> int:
    from django.db import connection

    if connection.vendor == "sqlite":
        path = Path(connection.settings_dict["NAME"])
        return sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def forget_copies(folder: Path) -> None:
    """Delete a host's local copies of shared files."""
    from labeling.storage.shared_files import SHARED

    for name in SHARED:
        shutil.rmtree(folder / name, ignore_errors=True)


def measure(folder: Path, *, question: str, items: int, classes: int, batch: int, dim: int) -> dict[str, Any]:
    """Measure one size, in the installation with this data folder. Django is set up."""
    made = folder / "made-up"
    made.mkdir()
    pool, counts = made_up.make(made, question=question, items=items, classes=classes, dim=dim)
    clock = Clock(gauges, before=lambda: forget_copies(folder))
    turn(pool, slug=f"{question}-{items}", size=batch, clock=clock)
    return {"items": items, "batch": batch, "labels": made_up.quantiles(counts), "steps": clock.steps}


def run_size(args: argparse.Namespace) -> dict[str, Any]:
    """Measure one size in a temporary installation with an object store in a folder beside its own."""
    import django

    [items] = args.items
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        host, objects = Path(temporary) / "host", Path(temporary) / "store"
        host.mkdir()
        os.environ["OBJECT_STORE"] = f"counted://{objects}"
        place = Installation(host, free_port(), database=os.environ.get("DATABASE_URL", ""))
        os.environ.update(place.environment)
        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        load = os.getloadavg()[0]
        with as_a_worker():
            result = measure(host, question=args.question, items=items, classes=args.classes,
                             batch=args.batch or max(1, items // 10), dim=args.dim)  # fmt: skip
        return {**result, "load_before": load, "load_after": os.getloadavg()[0]}


def growth(sizes: list[dict[str, Any]]) -> dict[str, float]:
    """Return for each step the power of the number of items by which its processor seconds grow."""
    first, last = sizes[0], sizes[-1]
    times = math.log(last["items"] / first["items"])
    return {
        before["step"]: math.log(after["cpu_seconds"] / before["cpu_seconds"]) / times
        for before, after in zip(first["steps"], last["steps"], strict=True)
    }


def tell(result: dict[str, Any]) -> None:
    """Print a table for each size."""
    for size in result["sizes"]:
        print(f"{result['question']}: {size['items']:,} × {result['dim']}, {result['classes']:,} classes, ", end="")
        print(f"a batch of {size['batch']:,}; load {size['load_before']:.1f} to {size['load_after']:.1f}")
        print("labels a class: " + ", ".join(f"{name} {value:,.4g}" for name, value in size["labels"].items()))
        heads = (*(f"{title}, MB" for title in GAUGES.values()), "requests")
        print(f"{'step':<20}{'seconds':>9}{'cpu':>9}{'peak MB':>9}" + "".join(f"{head:>20}" for head in heads))
        for step in size["steps"]:
            moved = "".join(f"{step[name] / 1e6:>20.1f}" for name in GAUGES)
            spent = f"{step['seconds']:>9.1f}{step['cpu_seconds']:>9.1f}{step['memory_mb']:>9.0f}"
            print(f"{step['step']:<20}{spent}{moved}{step['requests']:>20}")
        print()
    if "growth" in result:
        print("the processor's seconds grow with the items to the power of: ", end="")
        print(", ".join(f"{step} {power:.2f}" for step, power in result["growth"].items()))


def sizes_of(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {MODULE}", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--items", type=sizes_of, default=[1_000_000], help="Of the pool; several with commas. Default: 1000000.")
    add("--classes", type=int, default=20_000, help="Default: 20,000.")
    add("--batch", type=int, help="Default: a tenth of the items.")
    add("--question", choices=("verify", "multi"), default="verify", help="Default: verify.")
    add("--dim", type=int, default=64, help="Numbers of a vector. Default: 64.")
    add("--folder", type=Path, help="For all files; else a temporary one.")
    add("--json", action="store_true", help="One JSON object instead of the table.")
    add("--run", choices=("size",), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if min(*args.items, args.classes, args.dim, 1 if args.batch is None else args.batch) < 1:
        parser.error("--items, --classes, --batch and --dim are at least 1")
    return args


def main() -> int:
    args = parse()
    if args.run:
        print(json.dumps(run_size(args)))
        return 0
    shape = {name: getattr(args, name) for name in ("question", "classes", "dim")}
    sizes = [in_a_process(MODULE, run="size", items=items, batch=args.batch, folder=args.folder, **shape)
             for items in args.items]  # fmt: skip
    result = {"benchmark": "open images", **machine(), **shape, "sizes": sizes}
    if len(sizes) > 1:
        result["growth"] = growth(sizes)
    if args.json:
        print(json.dumps(result))
    else:
        tell(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
