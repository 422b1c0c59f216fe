"""Test the number of items that a person's page keeps ready, and that these items starve no other person."""

import json
import re
import uuid

import pytest
from django.test import Client
from factories import make_items, make_member, make_open_batch, make_project

from labeling.models import Annotation, Assignment, Project, Task, User
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer

pytestmark = pytest.mark.django_db


def start(n: int, **settings: int) -> tuple[Project, User]:
    project = make_project(**settings)
    make_open_batch(project, make_items(project, n))
    return project, make_member(project, "ann")


def held(project: Project, user: User, count: int = 200) -> int:
    return len(queue.claim(project=project, user=user, count=count).tasks)


def kept_ready(user: User) -> int:
    client = Client()
    client.force_login(user)
    page = client.get("/p/digits/label/").content.decode()
    config = re.search(r'<script id="label-config" type="application/json">(.*?)</script>', page)
    assert config is not None
    return int(json.loads(config[1])["keptReady"])


def answer_in(project: Project, user: User, *seconds: float) -> None:
    tasks = Task.objects.filter(batch__project=project).order_by("rank")[: len(seconds)]
    for task, spent in zip(tasks, seconds, strict=True):
        Annotation.objects.create(task=task, user=user, value=1, seconds=spent)


def test_a_person_holds_as_many_as_are_kept_ready_or_a_tenth_of_the_batch() -> None:
    project, ann = start(100, kept_ready=40)
    assert held(project, ann) == 40
    Project.objects.update(kept_ready=10)
    project.refresh_from_db()
    assert held(project, make_member(project, "bob")) == 10


def test_the_next_people_get_fair_shares_of_what_is_left() -> None:
    """Sixty tasks: ann holds 50 and works, bob gets the ten free ones, and cid some of ann's newest."""
    project, ann = start(60, kept_ready=50)
    first = queue.claim(project=project, user=ann, count=50).tasks[0]
    answers = [Answer(id=uuid.uuid4(), task=first.pk, value=1)]
    assert submitting.submit(project=project, user=ann, answers=answers).accepted
    assert held(project, make_member(project, "bob")) == 10
    Assignment.objects.update(claimed_at="2026-01-01T00:00Z")
    assert held(project, make_member(project, "cid")) == 20, "a third of what is left"


@pytest.mark.parametrize(
    ("fields", "seconds", "expected"),
    [
        ({"kept_ready": 100, "lease_seconds": 180}, (), 36),  # five seconds are assumed
        ({"kept_ready": 100, "lease_seconds": 180}, (1, 2, 3, 4, 30), 60),
        ({"kept_ready": 50, "lease_seconds": 180}, (3,) * 5, 50),
        ({"kept_ready": 50, "lease_seconds": 180}, (60,) * 5, 10),
        ({"kept_ready": 200, "lease_seconds": 180}, (0,) * 5, 200),
    ],
)
def test_a_page_keeps_no_more_ready_than_its_person_answers_within_a_lease(
    fields: dict[str, int], seconds: tuple[float, ...], expected: int
) -> None:
    project, ann = start(10, **fields)
    answer_in(project, ann, *seconds)
    assert kept_ready(ann) == expected


def test_the_pace_is_the_persons_own_in_this_project() -> None:
    project, ann = start(10, kept_ready=100, lease_seconds=180)
    answer_in(project, make_member(project, "bob"), *(60,) * 5)
    other = make_project("other")
    make_open_batch(other, make_items(other, 10))
    answer_in(other, ann, *(60,) * 5)
    assert kept_ready(ann) == 36
