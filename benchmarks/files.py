"""How long files take on their way in and out: an import of texts, and the export of all of them, labeled.

    python -m benchmarks.files                                  # 100,000 rows, SQLite
    scripts/with-postgres.sh python -m benchmarks.files         # PostgreSQL
    python -m benchmarks.files --rows 1000000 --json            # one JSON object

Each measurement is a process of its own. CPU is what that process computes, without a server of PostgreSQL; memory is
the most it has held, beyond what it held before. The first byte of an export is counted from the call, in wall time;
`longest write` is the longest that an import has held SQLite's only writer, or a transaction on PostgreSQL.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measuring import in_a_process, machine, peak_bytes
from scripts.installation import Installation, free_port

FORMATS = ("jsonl", "csv", "parquet")
CLASSES = 10
BATCH = 25_000
CHUNK = 5_000


def write_file(path: Path, rows: int) -> None:
    """Write a table of generated texts with an id, a known answer and one more column."""
    texts = (
        {
            "id": f"text-{row:07}",
            "text": f"Text number {row}, naïve and of the usual length: nothing in it would matter here.",
            "truth": f"class {row % CLASSES}",
            "page": row if path.suffix == ".jsonl" else str(row),
        }
        for row in range(rows)
    )
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(list(texts)), path)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            table = csv.DictWriter(file, ["id", "text", "truth", "page"])
            table.writeheader()
            table.writerows(texts)
        else:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in texts)


def run_import(form: str, rows: int) -> dict[str, Any]:
    """Import a file, as the worker does."""
    from labeling.intake.run import import_items
    from labeling.intake.uploads import register
    from labeling.loop.step import Step
    from labeling.models import Item
    from labeling.models.jobs import worker_name
    from labeling.projects.create import create_project

    longest = 0.0

    class TimedStep(Step):
        @contextlib.contextmanager
        def write(self) -> Iterator[None]:
            nonlocal longest
            began = time.perf_counter()
            with super().write():
                yield
            longest = max(longest, time.perf_counter() - began)

    project = create_project(slug=form, kind="text", classes=[f"class {n}" for n in range(CLASSES)], settings={})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"texts.{form}"
        write_file(path, rows)
        job = register(project=project, user=None, path=path, name=path.name, strict=False, taken_by=worker_name())
        result = _measured(lambda: iter([import_items(TimedStep(job, gives_way=False))]))
    if Item.objects.filter(project=project).count() != rows:
        raise SystemExit("Not every row was taken in.")
    return {**result, "longest_write": longest}


def run_export(form: str, rows: int) -> dict[str, Any]:
    """Read an export to its end."""
    from labeling.models import Project
    from labeling.outgoing.exports import count_rows, export

    project = Project.objects.get(slug=FORMATS[0])
    result = _measured(lambda: export(project, form))
    if count_rows(project) != rows:
        raise SystemExit("Not every row was written.")
    return result


def _measured(start: Any) -> dict[str, Any]:
    """Exhaust the iterator that the call returns; return the seconds to its first piece and to its end, and the
    memory.
    """
    held, cpu, began = peak_bytes(), time.process_time(), time.perf_counter()
    pieces = start()
    next(pieces)
    first = time.perf_counter() - began
    for _ in pieces:
        pass
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"cpu": cpu, "seconds": seconds, "first": first, "memory": peak_bytes() - held}


def run_label(form: str, rows: int) -> dict[str, Any]:
    """Create labeled batches of all items, with one answer each, in bulk."""
    from django.db.models import F
    from django.utils import timezone

    from labeling.models import Annotation, Batch, Item, Project, Task
    from labeling.projects.members import get_or_create_user

    project = Project.objects.get(slug=form)
    people = [get_or_create_user(f"person-{number}")[0] for number in range(20)]
    now = timezone.now()
    items = list(project.items.order_by("pk").values_list("pk", "truth", "reserved"))
    for start in range(0, rows, BATCH):
        part = items[start : start + BATCH]
        batch = Batch.objects.create(
            project=project, number=start // BATCH + 1, state=Batch.State.DONE, strategy="cluster-margin",
            size=len(part), remaining=0, pool_rows=rows, control_tasks=sum(reserved for _, _, reserved in part),
            opened_at=now, completed_at=now, done_at=now,
        )  # fmt: skip
        tasks = Task.objects.bulk_create(
            [
                Task(batch=batch, item_id=pk, rank=rank, is_control=reserved, margin=rank / len(part), free=0,
                     cluster=rank // 3, cluster_size=3, draw_pass=1, outstanding=0)
                for rank, (pk, _, reserved) in enumerate(part)
            ],
            batch_size=CHUNK,
        )  # fmt: skip
        Annotation.objects.bulk_create(
            [
                Annotation(task=task, user=people[task.rank % len(people)], value=truth, seconds=1.5 + task.rank / 7)
                for task, (_, truth, _) in zip(tasks, part, strict=True)
            ],
            batch_size=CHUNK,
        )
    Item.objects.filter(project=project).update(label=F("truth"), agreement=1.0, labeled_at=now, row=F("id"))
    return {}


RUNS = {"import": run_import, "label": run_label, "export": run_export}


def measure(rows: int, only: str) -> list[dict[str, Any]]:
    """Run the measurements with `only` in their names. The first import always runs, because the exports need it."""
    with tempfile.TemporaryDirectory() as folder:
        place = Installation(Path(folder), free_port(), database=os.environ.get("DATABASE_URL", ""))
        place.manage("migrate", "--verbosity", "0")
        os.environ.update(place.environment)

        def run(name: str, form: str) -> dict[str, Any]:
            return {"name": f"{name} {form}", **in_a_process("benchmarks.files", run=name, form=form, rows=rows)}

        first = run("import", FORMATS[0])
        results = [first] + [run("import", form) for form in FORMATS[1:] if only in f"import {form}"]
        run("label", FORMATS[0])
        results += [run("export", form) for form in FORMATS if only in f"export {form}"]
        return [result for result in results if only in result["name"]]


def print_table(results: list[dict[str, Any]]) -> None:
    print(f"{'':<16}{'CPU s':>8}{'wall s':>8}{'first byte s':>14}{'longest write ms':>18}{'MB':>8}")
    for result in results:
        first = "" if "longest_write" in result else f"{result['first']:.3f}"
        write = f"{1000 * result['longest_write']:.0f}" if "longest_write" in result else ""
        print(f"{result['name']:<16}{result['cpu']:>8.2f}{result['seconds']:>8.2f}{first:>14}{write:>18}"
              f"{result['memory'] / 1e6:>8.0f}")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="Rows in and out. Default: 100,000.")
    parser.add_argument("--only", default="", metavar="TEXT", help='Only what has this in its name: "export csv".')
    parser.add_argument("--json", action="store_true", help="One JSON object instead of the table.")
    parser.add_argument("--run", choices=RUNS, help=argparse.SUPPRESS)
    parser.add_argument("--form", choices=FORMATS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        import django

        django.setup()
        print(json.dumps(RUNS[options.run](options.form, options.rows)))
        return 0
    results = measure(options.rows, options.only)
    engine = "PostgreSQL" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "SQLite"
    if options.json:
        print(json.dumps({"machine": machine(), "database": engine, "rows": options.rows, "results": results}))
    else:
        print(f"{engine}, {options.rows:,} rows\n")
        print_table(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
