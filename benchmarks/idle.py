"""How much of their time people wait for the machine, at the ends of batches.

    python -m benchmarks.idle                                   # 1, 4 and 20 people, batches of 50, 200 and 2,000
    python -m benchmarks.idle --people 4 --batches 50 --json    # one JSON object
    scripts/with-postgres.sh python -m benchmarks.idle          # on PostgreSQL

A real server and a real worker run on this machine. Each person answers one item a second over HTTP, and asks for more
as the annotators' page does: ten ahead, again when five are left, every second when there is none. Two rules are
compared: the next batch is picked ahead, and each batch waits for the newest model. A batch that takes more than a
minute is answered beforehand but for its last minute, so that its end comes soon; the share is of the whole batch.
"""

import argparse
import http.client
import json
import os
import sys
import tempfile
import threading
import time
import uuid
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.measuring import in_a_process, machine
from scripts.installation import Installation, free_port

SLUG = "idle"
ITEMS, DIM, CLASSES = 20_000, 64, 10
AHEAD, LOW = 10, 5
LAST_SECONDS = 60
ASK_AGAIN_SECONDS = 1.0


class Cell(NamedTuple):
    """A number of people, a batch size, and the share at which the next batch is picked; None: after the newest
    model.
    """

    people: int
    batch: int
    pick_ahead: float | None


class Person(threading.Thread):
    """A person who answers one item a second; `idle` counts the seconds without an item on the screen."""

    def __init__(self, port: int, token: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.idle, self.answers = 0.0, 0
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
        self._stop_asked = stop
        self._tasks: deque[dict[str, Any]] = deque()
        self._answered: set[int] = set()

    def run(self) -> None:
        self._claim()
        since = None if self._tasks else time.monotonic()
        while not self._stop_asked.is_set():
            if not self._tasks:
                since = since or time.monotonic()
                self._stop_asked.wait(ASK_AGAIN_SECONDS)
                self._claim()
                continue
            if since is not None:
                self.idle += time.monotonic() - since
                since = None
            shown = time.monotonic()
            if len(self._tasks) <= LOW:
                self._claim()
            self._stop_asked.wait(max(0.0, 1.0 - (time.monotonic() - shown)))
            self._answer(self._tasks.popleft())
            if not self._tasks:
                self._claim()
        if since is not None:
            self.idle += time.monotonic() - since
        self._post("release/", {})

    def _claim(self) -> None:
        tasks = self._post("claim/", {"count": AHEAD})["tasks"]
        held = {task["id"] for task in self._tasks}
        self._tasks.extend(task for task in tasks if task["id"] not in held | self._answered)

    def _answer(self, task: dict[str, Any]) -> None:
        value = task["item"]["external_id"].split("-")[0]
        answer = {"id": str(uuid.uuid4()), "task": task["id"], "value": value, "seconds": 1.0}
        self._answered.add(task["id"])
        self.answers += len(self._post("annotations/", {"annotations": [answer]})["accepted"])

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._connection.request("POST", f"/api/v1/projects/{SLUG}/{path}", json.dumps(body), self._headers)
        response = self._connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {text[:300]!r}")
        reply: dict[str, Any] = json.loads(text)
        return reply


def measure(cell: Cell, ends: int) -> dict[str, Any]:
    """Measure idle seconds per person and end of a batch, and their share of a person's time."""
    with tempfile.TemporaryDirectory() as folder:
        place = Installation(Path(folder), free_port(), database=os.environ.get("DATABASE_URL", ""))
        os.environ.update(place.environment)
        place.manage("migrate", "--verbosity", "0")
        tokens = _do("create", people=cell.people, batch=cell.batch, ahead=cell.pick_ahead or 0)["tokens"]
        with place.serving(worker=True):
            _do("answer", leave=0)  # the first batch: there is a model then
            stop = threading.Event()
            people = [Person(place.port, token, stop) for token in tokens]
            left = min(cell.batch, LAST_SECONDS * cell.people)
            before = _do("count")["complete"]
            for person in people:
                person.start()
            for end in range(ends):
                _do("answer", leave=left)
                _do("next")
                print(f"{cell}: end {end + 1} of {ends}", file=sys.stderr, flush=True)
            ended = _do("count")["complete"] - before
            stop.set()
            for person in people:
                person.join()
        idle = sum(person.idle for person in people) / cell.people
        worked = ended * cell.batch / cell.people
        result = {"ends": ended, "idle_seconds_an_end": idle / ended, "idle_share": idle / (idle + worked)}
        return {**cell._asdict(), **result}


def _do(task: str, **options: Any) -> dict[str, Any]:
    return in_a_process("benchmarks.idle", do=task, **options)


def create(people: int, batch: int, ahead: float) -> dict[str, Any]:
    """Create the project with its first batch open. Items are texts with a class and a number."""
    from knox.models import AuthToken

    from labeling.intake.run import import_items
    from labeling.intake.uploads import register
    from labeling.loop.step import Step
    from labeling.models import Role
    from labeling.models.jobs import worker_name
    from labeling.projects.create import create_project
    from labeling.projects.people.members import get_or_create_user, set_role

    rng = np.random.default_rng(0)
    truth = rng.integers(CLASSES, size=ITEMS)
    vectors = rng.normal(size=(CLASSES, DIM))[truth] + rng.normal(size=(ITEMS, DIM)) * 1.5
    project = create_project(
        slug=SLUG, kind="vector", classes=[str(index) for index in range(CLASSES)],
        settings={"seed": 1, "batch_size": batch, "pick_ahead": ahead or None},
    )  # fmt: skip
    path = Path(os.environ["DATA_DIR"]) / "items.jsonl"
    with path.open("w") as lines:
        for row in range(ITEMS):
            vector = [round(float(value), 4) for value in vectors[row]]
            lines.write(json.dumps({"id": f"{truth[row]}-{row}", "vector": vector}) + "\n")
    job = register(project=project, user=None, path=path, name=path.name, strict=True, taken_by=worker_name())
    import_items(Step(job, gives_way=False))
    tokens = []
    for number in range(people + 1):
        user, _ = get_or_create_user(f"person-{number}")
        set_role(project=project, user=user, role=Role.ANNOTATOR)
        tokens.append(AuthToken.objects.create(user)[1])
    return {"tokens": tokens[:people]}


def answer(leave: int) -> dict[str, Any]:
    """Answer all but `leave` tasks of the newest open batch, as one more person; wait if no batch is open."""
    from labeling.models import Project, User
    from labeling.queue import queue, submitting
    from labeling.queue.answer import Answer

    project, user = Project.objects.get(), User.objects.order_by("pk").last()
    while (batch := project.batches.open().order_by("-number").first()) is None:
        time.sleep(0.2)
    while True:
        batch.refresh_from_db()
        room = min(100, batch.remaining - leave)
        tasks = queue.claim(project=project, user=user, count=room).tasks if room > 0 else []
        tasks = [task for task in tasks if task.batch_id == batch.pk]
        if not tasks:
            queue.release(project=project, user=user)
            return {}
        answers = [
            Answer(id=uuid.uuid4(), task=task.pk, value=int(task.item.external_id.split("-")[0]), seconds=1)
            for task in tasks
        ]
        submitting.submit(project=project, user=user, answers=answers)


def wait_for_next() -> dict[str, Any]:
    """Wait until the newest open batch is complete and a later one has an answer."""
    from labeling.models import Annotation, Batch, Project

    project = Project.objects.get()
    batch = project.batches.open().order_by("-number").first()
    number = batch.number if batch else project.batches.count()
    while not Annotation.objects.filter(task__batch__project=project, task__batch__number__gt=number).exists():
        time.sleep(0.1)
    while Batch.objects.get(project=project, number=number).state == Batch.State.OPEN:
        time.sleep(0.1)
    return {}


def count() -> dict[str, Any]:
    """Return the number of batches with all their answers."""
    from labeling.models import Batch

    return {"complete": Batch.objects.filter(completed_at__isnull=False).count()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--people", type=_numbers, default=[1, 4, 20], metavar="N,…", help="Default: 1,4,20.")
    add("--batches", type=_numbers, default=[50, 200, 2000], metavar="N,…", help="Sizes. Default: 50,200,2000.")
    add("--ends", type=int, default=3, help="Batches whose end is measured. Default: 3.")
    add("--json", action="store_true", help="One JSON object instead of the table.")
    add("--do", choices=("create", "answer", "next", "count"), help=argparse.SUPPRESS)
    for name, kind in (("batch", int), ("leave", int), ("ahead", float)):
        add(f"--{name}", type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.do:
        print(json.dumps(_within(options)))
        return 0
    cells = [Cell(n, size, ahead) for n in options.people for size in options.batches for ahead in (None, 0.9)]
    results = [measure(cell, options.ends) for cell in cells]
    if options.json:
        print(json.dumps({"machine": machine(), "cells": results}))
        return 0
    print(f"{'people':>6}{'batch':>7}  {'next batch':<22}{'idle a batch, s':>16}{'share of time':>15}")
    for each in results:
        rule = "waits for the model" if each["pick_ahead"] is None else "picked ahead"
        print(f"{each['people']:>6}{each['batch']:>7}  {rule:<22}{each['idle_seconds_an_end']:>16.2f}"
              f"{each['idle_share']:>15.2%}")  # fmt: skip
    return 0


def _within(options: argparse.Namespace) -> dict[str, Any]:
    """Run a function that needs the installation's database, in a process of its own."""
    import django

    django.setup()
    if options.do == "create":
        return create(options.people[0], options.batch, options.ahead)
    if options.do == "answer":
        return answer(options.leave)
    return wait_for_next() if options.do == "next" else count()


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
