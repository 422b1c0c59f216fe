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

To measure something else, add its function to `MEASURED`, with the preparations that it needs.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import datetime
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.measuring import in_a_process, machine, peak_bytes
from scripts.installation import ROOT, Installation, free_port

if TYPE_CHECKING:
    from labeling.models import Project

FILES = ("jsonl", "csv", "parquet")
TEXTS, IMAGES, POOL = "texts", "images", "pool"
"""The projects that exports read."""
CLASSES = 10
IMAGE_BYTES = 8 << 10
BATCH = 25_000
CHUNK = 5_000

Result = dict[str, Any]


def text_rows(items: int, *, answer: str = "truth", page: type[int] | type[str] = int) -> Iterator[dict[str, Any]]:
    """Yield generated texts with an id, a class in the column `answer`, and one more column."""
    for row in range(items):
        yield {
            "id": f"text-{row:07}",
            "text": f"Text number {row}, naïve and of the usual length: nothing in it would matter here.",
            answer: f"class {row % CLASSES}",
            "page": page(row),
        }


def write_file(path: Path, items: int, *, answer: str = "truth") -> None:
    """Write a table of generated texts."""
    texts = text_rows(items, answer=answer, page=int if path.suffix == ".jsonl" else str)
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(list(texts)), path)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            table = csv.DictWriter(file, ["id", "text", answer, "page"])
            table.writeheader()
            table.writerows(texts)
        else:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in texts)


def new_project(slug: str, kind: str = "text") -> Project:
    from labeling.projects.create import create_project

    return create_project(slug=slug, kind=kind, classes=[f"class {n}" for n in range(CLASSES)], settings={})


def import_file(form: str, items: int) -> Result:
    """Import a file, as the worker does."""
    from labeling.intake.run import import_items
    from labeling.intake.uploads import register
    from labeling.loop.step import Step
    from labeling.models.jobs import worker_name

    longest = 0.0

    class TimedStep(Step):
        @contextlib.contextmanager
        def write(self) -> Iterator[None]:
            nonlocal longest
            began = time.perf_counter()
            with super().write():
                yield
            longest = max(longest, time.perf_counter() - began)

    project = new_project(f"from-{form}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"texts.{form}"
        write_file(path, items)
        job = register(project=project, user=None, path=path, name=path.name, strict=False, taken_by=worker_name())
        result = _measured(lambda: [import_items(TimedStep(job, gives_way=False))])
    _check(project.items.count(), items)
    del result["first"]
    return {**result, "longest_write": longest}


def import_by_command(answer: str, items: int) -> Result:
    """Import a JSONL file by `manage.py import_items`, from the start of the process to its end."""
    project = new_project(f"by-command-{answer}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.jsonl"
        write_file(path, items, answer=answer)
        began = time.perf_counter()
        command = [sys.executable, "manage.py", "import_items", project.slug, str(path)]
        subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=True)
        seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    _check((project.items.labeled() if answer == "label" else project.items).count(), items)
    return {"cpu": used.ru_utime + used.ru_stime, "seconds": seconds, "memory": 1024 * used.ru_maxrss}


def add_by_client(items: int) -> Result:
    """Add texts with the Python client to a web server as in production. CPU is that of both."""
    import httpx
    from knox.models import AuthToken

    from labeling.models import Role
    from labeling.projects.members import get_or_create_user, set_role
    from marginalia_client import Marginalia

    project, (user, _) = new_project("by-client"), get_or_create_user("mia")
    set_role(project=project, user=user, role=Role.MANAGER)
    place = Installation(
        Path(os.environ["DATA_DIR"]), int(os.environ["PORT"]), database=os.environ.get("DATABASE_URL", "")
    )
    http = httpx.Client(timeout=90, trust_env=False)  # proxies of the environment cannot reach a local server
    with place.serving(), Marginalia(place.url, AuthToken.objects.create(user)[1], http=http) as server:
        cpu, began = time.process_time(), time.perf_counter()
        added = server.project(project.slug).items.add(text_rows(items))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    _check(added.added, items)
    return {"cpu": cpu + used.ru_utime + used.ru_stime, "seconds": seconds, "memory": 1024 * used.ru_maxrss}


def export_all(slug: str, form: str, items: int) -> Result:
    """Read an export to its end."""
    from labeling.models import Project
    from labeling.outgoing.exports import count_rows, export

    project = Project.objects.get(slug=slug)
    result = _measured(lambda: export(project, form))
    _check(count_rows(project), items)
    return result


def freeze_labels(changed: float, items: int) -> Result:
    """Write a dataset version, after this share of the labels changed."""
    from django.db import transaction
    from django.utils import timezone

    from labeling.models import DatasetVersion, Item, Project
    from labeling.outgoing.datasets.freeze import freeze, keep

    project = Project.objects.get(slug=TEXTS)
    keys = list(project.items.labeled().values_list("pk", flat=True))
    for start in range(0, int(changed * items), CHUNK):
        part = random.Random(start).sample(keys, min(CHUNK, int(changed * items) - start))
        Item.objects.filter(pk__in=part).update(label=1, labeled_at=timezone.now())
    dataset = DatasetVersion(project=project)

    def written() -> Iterator[bytes]:
        frozen = freeze(dataset, draft="measured")
        with transaction.atomic():
            keep(dataset, frozen)
        yield b""

    result = _measured(written)
    _check(dataset.rows, items)
    del result["first"]
    return result


def compare_versions(items: int) -> Result:
    """Compare two dataset versions by class."""
    from labeling.models import Project
    from labeling.outgoing.datasets.comparing import compare

    before, after = Project.objects.get(slug=TEXTS).datasets.order_by("number")[:2]
    result = _measured(lambda: [compare(before, after)])
    del result["first"]
    return result


def export_version(items: int) -> Result:
    """Read an export of a dataset version to its end."""
    from labeling.models import Project
    from labeling.outgoing.exports import choose, export

    project = Project.objects.get(slug=TEXTS)
    return _measured(lambda: export(project, "jsonl", choose(project, {"dataset": "v2"})))


def copy_images(items: int) -> Result:
    """Read the files of the images one by one, and write them into one file."""
    from labeling.kinds import media
    from labeling.models import Item

    def copied() -> Iterator[bytes]:
        with tempfile.TemporaryFile() as file:
            for name in Item.objects.filter(project__slug=IMAGES).order_by("pk").values_list("media", flat=True):
                file.write(media.path_of(name).read_bytes())
            file.flush()
            os.fsync(file.fileno())
        yield b""

    result = _measured(copied)
    del result["first"]
    return result


def _measured(start: Callable[[], Iterable[Any]]) -> Result:
    """Exhaust what the call returns; return the seconds to its first piece and to its end, and the memory."""
    held, cpu, began = peak_bytes(), time.process_time(), time.perf_counter()
    pieces = iter(start())
    next(pieces)
    first = time.perf_counter() - began
    for _ in pieces:
        pass
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"cpu": cpu, "seconds": seconds, "first": first, "memory": peak_bytes() - held}


def _check(number: int, items: int) -> None:
    if number != items:
        raise SystemExit(f"{number} rows were transferred, not {items}.")


def make_texts(items: int) -> Result:
    """Make a project of texts, all of them labeled."""
    project = new_project(TEXTS)
    _insert_items(project, items)
    label(project, items)
    return {}


def make_images(items: int) -> Result:
    """Make a project of images, all of them labeled."""
    from labeling.kinds import media

    project, rng = new_project(IMAGES, "image"), random.Random(1)

    def stored() -> str:
        content = rng.randbytes(IMAGE_BYTES)
        name = media.file_name(project.pk, "images", content, ".png")
        media.path_of(name).parent.mkdir(parents=True, exist_ok=True)
        media.path_of(name).write_bytes(content)
        return name

    _insert_items(project, items, stored)
    label(project, items)
    return {}


def make_pool(items: int) -> Result:
    """Make a project with ten times as many texts, a random tenth of them labeled."""
    project = new_project(POOL)
    _insert_items(project, 10 * items)
    label(project, items)
    return {}


def _insert_items(project: Project, items: int, media: Callable[[], str] = str) -> None:
    """Insert items with a known answer, and with the media that the function returns for each."""
    from django.utils import timezone

    from benchmarks.big_project import insert, items_of
    from labeling.models import Project

    made = items_of(project, items, random.Random(1), timezone.now(), classes=CLASSES)

    def with_media() -> Iterator[Any]:
        for item in made:
            item.media = media()
            yield item

    insert(with_media())
    Project.objects.filter(pk=project.pk).update(encoded_rows=items)


def label(project: Project, items: int) -> None:
    """Create labeled batches of this many items in random order, with one answer each, in bulk."""
    from django.db.models import F
    from django.utils import timezone

    from labeling.models import Annotation, Batch, Task
    from labeling.projects.members import get_or_create_user

    people = [get_or_create_user(f"person-{number}")[0] for number in range(20)]
    now = timezone.now()
    chosen = list(project.items.order_by("control_key").values_list("pk", "truth", "reserved")[:items])
    random.Random(1).shuffle(chosen)
    for start in range(0, items, BATCH):
        part = chosen[start : start + BATCH]
        batch = Batch.objects.create(
            project=project, number=start // BATCH + 1, state=Batch.State.DONE, strategy="cluster-margin",
            size=len(part), remaining=0, pool_rows=project.items.count(), opened_at=now, completed_at=now, done_at=now,
            control_tasks=sum(reserved for _, _, reserved in part), labeled=len(part),
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
    project.items.filter(task__isnull=False).update(label=F("truth"), agreement=1.0, labeled_at=now)
    # A dataset version reads the rows of the last minutes' answers again.
    Annotation.objects.filter(task__batch__project=project).update(created_at=now - datetime.timedelta(days=1))


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
    Measurement("dataset version exported", export_version, needs=TEXTS, aim=1.0, first_byte=True),
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
