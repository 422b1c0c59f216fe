"""Imports of texts and of labels: by a worker, by command and by the Python client."""

import contextlib
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.transfer.clock import Result, check, measured
from benchmarks.transfer.projects import CLASSES, new_project
from scripts.installation import ROOT, Installation


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
        result = measured(lambda: [import_items(TimedStep(job, gives_way=False))])
    check(project.items.count(), items)
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
    check((project.items.labeled() if answer == "label" else project.items).count(), items)
    return {"cpu": used.ru_utime + used.ru_stime, "seconds": seconds, "memory": 1024 * used.ru_maxrss}


def add_by_client(items: int) -> Result:
    """Add texts with the Python client to a web server as in production. CPU is that of both."""
    import httpx
    from knox.models import AuthToken

    from labeling.models import Role
    from labeling.projects.people.members import get_or_create_user, set_role
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
    check(added.added, items)
    return {"cpu": cpu + used.ru_utime + used.ru_stime, "seconds": seconds, "memory": 1024 * used.ru_maxrss}
