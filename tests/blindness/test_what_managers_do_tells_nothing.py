"""Test that an annotator gets the same replies about all kinds of tasks, whatever managers did with their items.

A batch has a task of each kind in each state that an annotator can bring it to. A manager acts on all their items, and
the annotator tries each request. The replies, the numbers on the pages and the database statements, which stand for the
time, must be the same for all kinds.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import certify, make_items, make_member, make_open_batch, make_project
from pages import make_version
from rest_framework.test import APIClient

from labeling.loop.step import Step
from labeling.models import Assignment, AuditDraw, Batch, Copy, Correction, Item, Job, Project, Role, Task, User
from labeling.steps.replace import replace

pytestmark = pytest.mark.django_db

KINDS = ("plain", "control", "audit", "check", "again", "gold", "corrected gold")
AGAIN = KINDS[4:]
STATES = ("free", "held", "released", "answered", "skipped", "undone", "half answered")
SPARE = 12
"""Control and gold items that can replace skipped ones. A fifth of a batch is replaced at most, so the batch has four
times as many other tasks.
"""
API = "/api/v1/projects/kinds/"
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)")


def in_process(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


class World:
    """A project whose open batch has one task of each kind in each state; `overlap` answers are asked of each."""

    def __init__(
        self, overlap: int = 1, states: Sequence[str] = STATES, connect: Callable[[User], Any] = in_process
    ) -> None:
        """`connect` returns a client of the API for a person."""
        self.overlap, self.states = overlap, states
        self.project = make_project("kinds", kind="image", near_copies=0, kept_ready=200)
        self.people = {name: make_member(self.project, name) for name in ("eve", "eva")}
        self.people["mona"] = make_member(self.project, "mona", Role.MANAGER)
        self.clients = {name: connect(person) for name, person in self.people.items()}
        items = make_items(self.project, len(KINDS) * len(states) + 8 * SPARE)
        Project.objects.filter(pk=self.project.pk).update(encoded_rows=len(items))
        Item.objects.filter(pk__in=[items.pop().pk for _ in range(SPARE)]).update(reserved=True)
        known = [items.pop() for _ in AGAIN for _ in states]
        spare, self.sources = ([items.pop() for _ in range(SPARE)] for _ in range(2))
        before = make_open_batch(self.project, [*known, *spare, *self.sources])
        before.tasks.update(free=0, outstanding=0)
        Item.objects.filter(task__batch=before).update(label=F("truth"), agreement=1, labeled_at=timezone.now())
        Item.objects.filter(pk__in=[item.pk for item in spare]).update(gold=F("truth"))
        Batch.objects.filter(pk=before.pk).update(state=Batch.State.DONE, remaining=0, labeled=before.size)
        self.audit = certify(self.project, {}, version=make_version(before, 1)).audit
        self.batch = make_open_batch(self.project, [], number=2, overlap=overlap)
        of = {(kind, state): (known if kind in AGAIN else items).pop() for kind in KINDS for state in states}
        self.tasks = {key: self._task(rank, key[0], of[key]) for rank, key in enumerate(of)}
        others = [
            Task(batch=self.batch, item=items.pop(), rank=len(of) + n, free=overlap, outstanding=overlap)
            for n in range(4 * SPARE)
        ]
        Task.objects.bulk_create(others)
        size, n = len(self.tasks) + len(others), len(states)
        Batch.objects.filter(pk=self.batch.pk).update(
            size=size, remaining=size, further=len(AGAIN) * n, control_tasks=n
        )
        self.given = {key: uuid.uuid4() for key in self.tasks}
        for key in self.tasks:
            self._bring_to(key)
        replace_skipped()

    def _task(self, rank: int, kind: str, item: Item) -> Task:
        if kind == "corrected gold":
            Correction.objects.create(item=item, user=self.people["mona"], value=item.truth)
        Item.objects.filter(pk=item.pk).update(gold=item.truth if "gold" in kind else None, reserved=kind == "control")
        shows = {"repeats": item} if kind in AGAIN else {"item": item}
        task = Task.objects.create(
            batch=self.batch, rank=rank, free=self.overlap, outstanding=self.overlap, is_control=kind == "control",
            is_gold="gold" in kind, asked=kind in ("audit", "check"), **shows,
        )  # fmt: skip
        if kind == "audit":
            AuditDraw.objects.create(audit=self.audit, place=rank, task=task, value=1)
        if kind == "check":
            Copy.objects.create(of=self.sources.pop(), item=item, batch=self.batch, height=0.1, is_check=True)
        return task

    def _bring_to(self, key: tuple[str, str]) -> None:
        """Bring the task to its state by requests of the annotators."""
        _, state = key
        if state == "free":
            return
        people = ["eve"] if state in ("held", "released", "undone", "half answered") else ["eve", "eva"][: self.overlap]
        until = timezone.now() + timedelta(minutes=5)
        for name in people:
            place = Assignment.objects.create(task=self.tasks[key], user=self.people[name], lease_expires_at=until)
            Task.objects.filter(pk=self.tasks[key].pk).update(free=F("free") - 1)
            if state == "released":
                self.call(name, "post", "release/", {"tasks": [place.task_id]})
            elif state == "skipped":
                self.skip(key, name, self.given[key] if name == "eve" else uuid.uuid4())
            elif state != "held":
                self.answer(key, name, self.given[key] if name == "eve" else uuid.uuid4())
        if state == "undone":
            self.call("eve", "delete", f"annotations/{self.given[key]}/")

    def call(self, name: str, method: str, path: str, body: Any = None) -> Any:
        return getattr(self.clients[name], method)(f"{API}{path}", body, format="json")

    def answer(self, key: tuple[str, str], name: str, annotation: uuid.UUID) -> Any:
        answer = {"id": str(annotation), "task": self.tasks[key].pk, "value": "3", "comment": "Is it?"}
        return self.call(name, "post", "annotations/", {"annotations": [answer]})

    def skip(self, key: tuple[str, str], name: str, annotation: uuid.UUID) -> Any:
        body = {"id": str(annotation), "task": self.tasks[key].pk, "reason": "unclear"}
        return self.call(name, "post", "skip/", body)

    def change(self, action: str, **more: Any) -> None:
        """Let the manager change all items of the batch at once."""
        items = [task.item_key for task in self.tasks.values()]
        reply = self.call("mona", "post", "items/changes/", {"action": action, "items": items, **more})
        assert reply.status_code == 200, reply.json()


def correct(world: World, value: str = "5") -> None:
    for task in world.tasks.values():
        world.call("mona", "put", f"items/{task.item_key}/correction/", {"value": value})


def withdraw(world: World) -> None:
    correct(world)
    for task in world.tasks.values():
        world.call("mona", "delete", f"items/{task.item_key}/correction/")


def reply_to_comments(world: World) -> None:
    for task in world.tasks.values():
        world.call("mona", "post", f"items/{task.item_key}/comments/", {"text": "Yes.", "to": "eve"})


def pause(world: World) -> None:
    assert world.call("mona", "post", "members/eve/pause/").status_code == 200


def leave(world: World) -> None:
    assert world.call("mona", "delete", "members/eve/").status_code == 204


def end_batch(world: World) -> None:
    assert world.call("mona", "post", "batches/2/end/").status_code == 200


def end_goal(world: World) -> None:
    """Start a goal and end it, with a certificate that classes then suspend."""
    assert world.call("mona", "post", "finish/", {"error": 0.05}).status_code == 200
    labels = dict.fromkeys(world.project.items.filter(task=None, reserved=False), 3)
    certificate = certify(world.project, labels, version=world.audit.version)
    assert world.call("mona", "get", f"certificates/{certificate.number}/").status_code == 200
    split(world)
    assert world.call("mona", "get", f"certificates/{certificate.number}/").json()["suspended_at"]
    assert world.call("mona", "delete", "finish/").status_code in (200, 204)


def merge(world: World) -> None:
    assert world.call("mona", "post", "classes/3/merge/", {"into": 4}).status_code == 200


def split(world: World) -> None:
    assert world.call("mona", "post", "classes/3/split/", {"into": ["3a", "3b"]}).status_code == 200


def rename(world: World) -> None:
    assert world.call("mona", "patch", "classes/3/", {"name": "three"}).status_code == 200


def archive(world: World) -> None:
    assert world.call("mona", "post", "classes/3/archive/").status_code == 200


def taken_back(world: World) -> None:
    world.change("exclude")
    world.change("include")


ACTS: Mapping[str, Callable[[World], object]] = {
    "nothing": lambda world: None,
    "corrects": correct,
    "corrects twice": lambda world: (correct(world), correct(world, "6")),
    "withdraws": withdraw,
    "relabels": lambda world: world.change("relabel", value="5"),
    "asks again": lambda world: world.change("again"),
    "excludes": lambda world: world.change("exclude"),
    "includes again": taken_back,
    "deletes": lambda world: world.change("delete"),
    "restores": lambda world: (world.change("delete"), world.change("restore")),
    "corrects and excludes": lambda world: (correct(world), world.change("exclude")),
    "uses as gold": lambda world: world.change("gold"),
    "stops gold": lambda world: world.change("ungold"),
    "comments": reply_to_comments,
    "pauses": pause,
    "removes": leave,
    "ends": end_batch,
    "corrects and ends": lambda world: (correct(world), end_batch(world)),
    "merges": merge,
    "splits": split,
    "renames": rename,
    "archives": archive,
    "ends the goal": end_goal,
}


@contextmanager
def rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def replace_skipped() -> None:
    """Run the step that replaces skipped tasks, if it waits."""
    for job in Job.objects.filter(kind=Job.Kind.REPLACE, state=Job.State.WAITING):
        Job.objects.filter(pk=job.pk).update(state=Job.State.RUNNING)
        replace(Step(Job.objects.get(pk=job.pk), gives_way=False))


class Probe:
    """The annotator's requests about one task, and all that comes back."""

    def __init__(self, world: World, key: tuple[str, str]) -> None:
        self.world, self.key = world, key
        self.task = world.tasks[key]
        self.seen: list[Any] = []

    def run(self) -> list[Any]:
        for step in (self.undo, self.send_again, self.answer, self.undo_new, self.skip, self.undo_new, self.file,
                     self.release, self.claim):  # fmt: skip
            with CaptureQueriesContext(connection) as statements:
                response = step()
            self.seen.append((step.__name__, response.status_code, self.masked(response), len(statements)))
            replace_skipped()
            if step in (self.undo, self.skip):
                self.seen.append((f"after {step.__name__}", *self.numbers()))
        return self.seen

    def undo(self) -> Any:
        return self.world.call("eve", "delete", f"annotations/{self.world.given[self.key]}/")

    def send_again(self) -> Any:
        return self.world.answer(self.key, "eve", self.world.given[self.key])

    def answer(self) -> Any:
        self.new = uuid.uuid4()
        return self.world.answer(self.key, "eve", self.new)

    def undo_new(self) -> Any:
        return self.world.call("eve", "delete", f"annotations/{self.new}/")

    def skip(self) -> Any:
        self.new = uuid.uuid4()
        return self.world.skip(self.key, "eve", self.new)

    def file(self) -> Any:
        return self.world.clients["eve"].get(f"{API}items/{self.task.item_key}/media/?size=thumbnail")

    def release(self) -> Any:
        return self.world.call("eve", "post", "release/", {"tasks": [self.task.pk]})

    def claim(self) -> Any:
        return self.world.call("eve", "post", "claim/", {"count": 100})

    def masked(self, response: Any) -> Any:
        """Return the reply without the ids of this task, and the times."""
        if response.streaming or not response.get("Content-Type", "").startswith("application/json"):
            own = {"etag", "content-length", "content-disposition", "last-modified", "x-request-id", "date"}
            return sorted((name, value) for name, value in response.items() if name.lower() not in own)
        body = response.json()
        if "tasks" in body:
            ids = [task["id"] for task in body.pop("tasks")]
            return body["remaining"], self.task.pk in ids, len(ids)
        text = TIME.sub("TIME", json.dumps(body, sort_keys=True))
        for id in (self.task.item.external_id if self.task.item else self.task.repeats.external_id,
                   str(self.world.given[self.key]), str(getattr(self, "new", "-"))):  # fmt: skip
            text = text.replace(id, "ID")
        return re.sub(rf"\b({self.task.pk}|{self.task.item_key})\b", "ID", text)

    def numbers(self) -> tuple[str, ...]:
        replies = (self.world.call("eve", "get", path) for path in ("progress/", "batches/", "comments/"))
        return tuple(self.masked_numbers(reply) for reply in replies)

    def masked_numbers(self, reply: Any) -> str:
        found = reply.json()
        # The place of the task in a list depends on the other tasks.
        texts = [json.dumps(each, separators=(",", ":")) for each in (found if isinstance(found, list) else [found])]
        masked = (re.sub(r"item-\d+", "ITEM", TIME.sub("TIME", text)) for text in texts)
        return "".join(sorted(re.sub(r'"(seconds_left|step_seconds_left|share)":[^,}]*', "", text) for text in masked))


def differences(world: World, acts: Iterable[str]) -> str:
    """Return a line for each reply about a task that differs from the reply about a plain one."""
    different = []
    for act in acts:
        with rolled_back():
            ACTS[act](world)
            for state in world.states:
                replies = {}
                for kind in KINDS:
                    with rolled_back():
                        replies[kind] = Probe(world, (kind, state)).run()
                different += [
                    f"{act}, {state}, {kind}: {mine} != {plain}"
                    for kind in KINDS
                    for mine, plain in zip(replies[kind], replies["plain"], strict=True)
                    if mine[: 3 if kind == "again" else None] != plain[: 3 if kind == "again" else None]
                ]
    return "\n".join(different)


def test_replies_are_alike_for_all_kinds() -> None:
    assert differences(World(states=("answered",)), ["corrects"]) == ""


@pytest.mark.long
@pytest.mark.parametrize("overlap", [1, 2])
@pytest.mark.parametrize("act", ACTS)
def test_replies_are_alike_in_all_states(act: str, overlap: int) -> None:
    assert differences(World(overlap), [act]) == ""
