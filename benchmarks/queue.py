"""How many labels the queue takes in a second, and how long annotators wait for it.

    python -m benchmarks.queue                                  # SQLite
    scripts/with-postgres.sh python -m benchmarks.queue         # PostgreSQL
    python -m benchmarks.queue --seconds 20 --json              # one JSON object

A real server (gunicorn, as in production) and the people who label run on this machine; each of them is a process with
one connection that stays open, and claims and answers over HTTP with a token. `flat out` is a person without a pause,
`paced` one answer a second. Times are wall times of whole requests, from the first byte sent to the last one read.
"""

import argparse
import json
import os
import sys
import tempfile
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.load import Load, Send, run
from benchmarks.measuring import in_a_process, machine
from scripts.installation import Installation, free_port

SLUG = "queue"
BEFORE = 10_000  # answers of a batch that is done

LOADS = (
    Load("1 person flat out, ones", 1, 1),
    Load("1 person flat out, tens", 1, 10),
    Load("8 people flat out, ones", 8, 1),
    Load("8 people flat out, tens", 8, 10),
    Load("16 people flat out, tens", 16, 10),
    Load("40 people paced, ones", 40, 1, 1.0),
)


class Person(NamedTuple):
    """A client that claims and answers by Marginalia's API."""

    port: int
    token: str

    def claim(self, send: Send, count: int) -> Sequence[Any]:
        claimed = send("POST", f"/api/v1/projects/{SLUG}/claim/", {"count": count})
        if not claimed["tasks"]:
            raise SystemExit(f"There was nothing to claim: {claimed.get('reason')}.")
        tasks: list[Any] = claimed["tasks"]
        return tasks

    def submit(self, send: Send, tasks: Sequence[Any]) -> None:
        answers = [{"id": str(uuid.uuid4()), "task": task["id"], "value": "class 1"} for task in tasks]
        submitted = send("POST", f"/api/v1/projects/{SLUG}/annotations/", {"annotations": answers})
        if submitted["rejected"]:
            raise SystemExit(f"An answer was refused: {submitted['rejected'][0]}")


def prepare(items: int, people: int) -> dict[str, Any]:
    """Create a project with one open batch of all items, and a token for each person. Runs in a process of its own."""
    import django

    django.setup()
    from django.utils import timezone
    from knox.models import AuthToken

    from labeling.models import Batch, Item, Project, Role, Task
    from labeling.projects.create import create_project
    from labeling.projects.people.members import get_or_create_user, set_role

    classes = [f"class {number}" for number in range(10)]
    project = create_project(slug=SLUG, kind="text", classes=classes, settings={"seed": 1, "batch_size": items})
    rows = (
        Item(project=project, external_id=f"text-{row:07}", row=row, data={"text": f"Text number {row}."},
             control_key=(row + 0.5) / items, reserved=False)
        for row in range(items)
    )  # fmt: skip
    Item.objects.bulk_create(rows, batch_size=5000)
    Project.objects.filter(pk=project.pk).update(encoded_rows=items)
    batch = Batch.objects.create(
        project=project, number=1, state=Batch.State.OPEN, strategy="seed", size=items, remaining=items,
        opened_at=timezone.now(),
    )  # fmt: skip
    ids = project.items.order_by("row").values_list("pk", flat=True)
    tasks = (Task(batch=batch, item_id=pk, rank=rank, free=1, outstanding=1) for rank, pk in enumerate(ids))
    Task.objects.bulk_create(tasks, batch_size=5000)
    users = [get_or_create_user(f"person-{number}")[0] for number in range(people)]
    for user in users:
        set_role(project=project, user=user, role=Role.ANNOTATOR)
    answered_before(project, users)
    return {"tokens": [AuthToken.objects.create(user)[1] for user in users]}


def answered_before(project: Any, users: Sequence[Any]) -> None:
    """Create a batch that was answered yesterday, so that tables are not empty and PostgreSQL has statistics."""
    import datetime

    from django.utils import timezone

    from labeling.models import Annotation, Assignment, Batch, Item, Task
    from labeling.storage.db.statements import analyze

    then = timezone.now() - datetime.timedelta(days=1)
    items = [Item(project=project, external_id=f"before-{row}", row=10**9 + row, data={"text": "Text."}, label=1,
                  labeled_at=then, agreement=1, control_key=0.5, reserved=False) for row in range(BEFORE)]  # fmt: skip
    Item.objects.bulk_create(items, batch_size=5000)
    batch = Batch.objects.create(project=project, number=0, state="done", strategy="seed", size=BEFORE, remaining=0,
                                 opened_at=then)  # fmt: skip
    tasks = Task.objects.bulk_create([Task(batch=batch, item=item, rank=rank, free=0, outstanding=0)
                                      for rank, item in enumerate(items)], batch_size=5000)  # fmt: skip
    by = [(task, users[number % len(users)]) for number, task in enumerate(tasks)]
    Assignment.objects.bulk_create([Assignment(task=task, user=user, lease_expires_at=then, claimed_at=then,
                                               answered_at=then) for task, user in by], batch_size=5000)  # fmt: skip
    Annotation.objects.bulk_create([Annotation(task=task, user=user, value=1) for task, user in by], batch_size=5000)
    Annotation.objects.update(created_at=then)
    for model in (Item, Task, Assignment, Annotation):
        analyze(model._meta.db_table)


def measure(loads: Iterable[Load], items: int, seconds: float) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        place = Installation(Path(folder), free_port(), database=os.environ.get("DATABASE_URL", ""))
        place.manage("migrate", "--verbosity", "0")
        most = max(load.people for load in LOADS)
        os.environ.update(place.environment)
        tokens = in_a_process("benchmarks.queue", prepare=most, items=items)["tokens"]
        with place.serving():
            people = [Person(place.port, token) for token in tokens]
            return [run(people, load, seconds) for load in loads]


def print_table(results: list[dict[str, Any]]) -> None:
    print(f"{'':<28}{'labels/s':>9}   {'claim p50':>9}{'p95':>8}{'p99':>8}{'max':>8}   {'submit p50':>10}{'p95':>8}"
          f"{'p99':>8}{'max':>8}  ms")  # fmt: skip
    for result in results:
        claim, submit = ([f"{result[name][cut]:.1f}" for cut in ("p50", "p95", "p99", "max")]
                         for name in ("claims", "submits"))  # fmt: skip
        print(f"{result['name']:<28}{result['labels_per_second']:>9.0f}   {claim[0]:>9}{claim[1]:>8}{claim[2]:>8}"
              f"{claim[3]:>8}   {submit[0]:>10}{submit[1]:>8}{submit[2]:>8}{submit[3]:>8}")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="How long each load is measured. Default: 10.")
    parser.add_argument("--items", type=int, default=100_000, help="Tasks in the open batch. Default: 100,000.")
    parser.add_argument("--only", default="", metavar="TEXT", help="Only the loads with this in their names.")
    parser.add_argument("--json", action="store_true", help="One JSON object instead of the table.")
    parser.add_argument("--prepare", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare is not None:
        print(json.dumps(prepare(options.items, options.prepare)))
        return 0
    load = os.getloadavg()[0]
    loads = [each for each in LOADS if options.only in each.name]
    results = measure(loads, options.items, options.seconds)
    engine = "PostgreSQL" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "SQLite"
    if options.json:
        print(json.dumps({"machine": machine(), "database": engine, "load_before": load, "loads": results}))
    else:
        print(f"{engine}, a batch of {options.items:,} tasks, {options.seconds:g} s each; load before: {load:.1f}\n")
        print_table(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
