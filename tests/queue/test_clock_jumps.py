"""Test that a clock that jumps by an hour loses no acknowledged answer and counts none twice."""

import datetime
import re
import uuid
from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project

from labeling.models import Annotation, Assignment, Batch, Role, User

pytestmark = pytest.mark.django_db

HOUR = datetime.timedelta(hours=1)
API = "/api/v1/projects/digits/"
TASKS = 6


class Clock:
    """The server's clock."""

    def __init__(self, now: datetime.datetime) -> None:
        self.now = now

    def __call__(self) -> datetime.datetime:
        self.now += datetime.timedelta(milliseconds=1)
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(timezone.now())
    monkeypatch.setattr(timezone, "now", clock)
    return clock


class Person:
    """An annotator in a browser, whose session began before the clock jumped."""

    def __init__(self, user: User) -> None:
        self.client = Client()
        self.client.force_login(user)
        self.acknowledged: list[uuid.UUID] = []

    def claim(self, count: int = TASKS) -> list[int]:
        answer = self.client.post(f"{API}claim/", {"count": count}, "application/json")
        assert answer.status_code == 200
        return [task["id"] for task in answer.json()["tasks"]]

    def answer(self, tasks: list[int]) -> dict[int, str]:
        """Answer tasks; return the reason for each refused one."""
        answers = {uuid.uuid4(): task for task in tasks}
        body = [{"id": str(key), "task": task, "value": "1"} for key, task in answers.items()]
        told = self.client.post(f"{API}annotations/", {"annotations": body}, "application/json").json()
        self.acknowledged += map(uuid.UUID, told["accepted"])
        return {answers[uuid.UUID(refusal["id"])]: refusal["code"] for refusal in told["rejected"]}


@pytest.fixture
def people(clock: Clock) -> Iterator[tuple[Person, Person]]:
    """Create two annotators; at the end each task has one answer, and each acknowledged answer exists."""
    project = make_project()
    make_open_batch(project, make_items(project, TASKS))
    ann, bob = (Person(make_member(project, name)) for name in ("ann", "bob"))
    yield ann, bob
    standing = Annotation.objects.standing()
    assert sorted(standing.values_list("pk", flat=True)) == sorted(ann.acknowledged + bob.acknowledged)
    assert sorted(standing.values_list("task", flat=True)) == sorted(
        Batch.objects.get().tasks.values_list("pk", flat=True)
    )


def test_forward_answers_in_hand_still_count(clock: Clock, people: tuple[Person, Person]) -> None:
    ann, bob = people
    tasks = ann.claim()
    clock.now += HOUR
    assert ann.answer(tasks[:3]) == {}
    assert ann.answer(tasks[3:]) == {}
    assert bob.claim() == []


def test_forward_tasks_that_went_to_somebody_else_count_once(clock: Clock, people: tuple[Person, Person]) -> None:
    ann, bob = people
    tasks = ann.claim()
    clock.now += HOUR
    taken = bob.claim()
    assert taken
    refused = ann.answer(tasks)
    assert set(refused.values()) <= {"taken"}
    assert sorted(refused) == sorted(taken)
    assert bob.answer(taken) == {}


def test_back_everybody_keeps_what_is_in_hand(clock: Clock, people: tuple[Person, Person]) -> None:
    ann, bob = people
    tasks = ann.claim(TASKS - 2)
    clock.now -= HOUR
    others = bob.claim()
    assert not set(others) & set(tasks)
    assert sorted(ann.claim(TASKS - 2)) == sorted(tasks)
    assert ann.answer(tasks) == {}
    assert bob.answer(others) == {}


def test_back_and_forth_nothing_is_given_to_two(clock: Clock, people: tuple[Person, Person]) -> None:
    ann, bob = people
    tasks = ann.claim(3)
    clock.now += HOUR
    others = bob.claim(3)
    clock.now -= HOUR
    refused = ann.answer([task for task in tasks if task not in others])
    assert refused == {}
    assert bob.answer(others) == {}
    while rest := ann.claim():
        assert ann.answer(rest) == {}
    assert not Assignment.objects.pending().exists()


def test_back_somebody_who_waits_for_tasks_gets_them(clock: Clock, people: tuple[Person, Person]) -> None:
    ann, bob = people
    tasks = ann.claim()
    assert bob.claim() == []  # waits from now on
    clock.now -= HOUR
    ann.client.post(f"{API}release/", {"tasks": tasks}, "application/json")
    assert sorted(bob.claim()) == sorted(tasks)
    assert bob.answer(tasks) == {}


def test_back_pages_are_shown(clock: Clock, people: tuple[Person, Person]) -> None:
    ann, _ = people
    tasks = ann.claim()
    assert ann.answer(tasks[:2]) == {}
    boss = Client()
    boss.force_login(make_member(Batch.objects.get().project, "mona", Role.MANAGER))
    clock.now -= HOUR
    for path in ("", "batches/", "items/", "members/", "settings/", "export/", "import/", "models/", "review/"):
        page = boss.get(f"/p/digits/{path}")
        assert page.status_code == 200, path
        assert "-1 " not in page.content.decode(), path
        assert not re.search(r">\s*-\d", page.content.decode()), path
    assert ann.answer(tasks[2:]) == {}
