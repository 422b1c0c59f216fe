"""Test that each endpoint takes a fixed number of queries, however many rows it lists.

Every project here shows predictions and asks to verify, where these take more queries.
"""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project, make_source, make_webhook
from knox.models import AuthToken
from pages import make_dataset, make_history, make_prediction
from pools import make_certificate
from rest_framework.test import APIClient

from labeling.intake.uploads import register
from labeling.models import Assignment, Project, Registration, Role, Task, TokenUse, User
from labeling.projects.people import invitations
from labeling.queue import queue

pytestmark = pytest.mark.django_db

URL = "/api/v1/projects/{}/"
# What every call with a token asks: the token with its user, and in a project the membership with the project.
TOKEN = 1
MEMBER = 1
# Where several write side by side, the person or the tasks are locked by a statement more.
LOCK = int(connection.vendor == "postgresql")


def client_of(user: User) -> APIClient:
    """Return a client with a token."""
    client = APIClient()
    row, token = AuthToken.objects.create(user)
    TokenUse.objects.create(token=row, at=timezone.now())  # noted once in five minutes
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return client


# Address below the project, role, queries beside those of every call.
LISTS: list[tuple[str, str, int]] = [
    ("", Role.ANNOTATOR, 1),
    ("members/", Role.MANAGER, 1),
    ("guidelines/", Role.ENGINEER, 1),
    ("guidelines/images/", Role.ENGINEER, 1),
    ("invitations/", Role.MANAGER, 1),
    ("imports/", Role.MANAGER, 1),
    ("items/", Role.ENGINEER, 8),
    ("batches/", Role.ANNOTATOR, 3),
    ("batches/1/", Role.ANNOTATOR, 2),
    ("models/", Role.ENGINEER, 6),
    ("models/1/", Role.ENGINEER, 5),
    ("certificates/", Role.ENGINEER, 2),
    ("sources/", Role.MANAGER, 3),
    ("webhooks/", Role.MANAGER, 1),
    ("datasets/", Role.ENGINEER, 3),
    ("finish/", Role.ENGINEER, 26),
    ("predictions/", Role.ENGINEER, 1),
    ("registrations/", Role.ENGINEER, 2),
    ("progress/", Role.ANNOTATOR, 5),
]


@pytest.fixture(scope="module")
def projects(once: Path) -> list[Project]:
    """Create a project with two, and one with seven, of each thing that endpoints list."""
    made = [make_project(slug) for slug in ("small", "large")]
    for project, much in zip(made, (2, 7), strict=True):
        make_history(project, much)
        mia = make_member(project, "mia", Role.MANAGER)
        for number in range(much):
            invitations.invite(project=project, user=mia, role=Role.ANNOTATOR)
            make_member(project, f"annie-{number}")
            register(project=project, user=None, path=Path("/nowhere/a.csv"), name=f"{number}.csv", strict=False)
            make_prediction(project.versions.earliest("number"), name=f"{number}.csv")
            Registration.objects.create(project=project, name=f"{number}.zip", path="/nowhere")
            make_certificate(project.versions.earliest("number"), number=number + 1)
            make_source(project)
            make_webhook(project)
            make_dataset(project)
    return made


@pytest.mark.parametrize(("path", "role", "queries"), LISTS)
def test_lists(projects: list[Project], path: str, role: str, queries: int, django_assert_num_queries: Any) -> None:
    for project in projects:
        client = client_of(make_member(project, "mona", role))
        with django_assert_num_queries(TOKEN + MEMBER + queries):
            assert client.get(URL.format(project.slug) + path).status_code == 200


@pytest.mark.parametrize("much", [1, 6])
def test_the_list_of_projects(much: int, django_assert_num_queries: Any) -> None:
    for number in range(much):
        mona = make_member(make_project(f"project-{number}"), "mona")
    client = client_of(mona)
    with django_assert_num_queries(TOKEN + 4):  # their number, they, their classes, and as what
        assert len(client.get("/api/v1/projects/").json()["results"]) == much


@pytest.fixture
def project() -> Project:
    """Create a project whose tasks propose a class, show a prediction and need two answers."""
    project = make_project(question="verify", show_predictions=True, overlap=2)
    make_open_batch(project, make_items(project, 300), overlap=2)
    Task.objects.update(predicted=1, confidence=0.5, prompted=True)
    return project


@pytest.mark.parametrize("count", [2, 30])
def test_claim(project: Project, count: int, django_assert_num_queries: Any) -> None:
    ann = make_member(project, "ann")
    # Half of them are held already.
    queue.claim(project=project, user=ann, count=count // 2)
    queue.claim(project=project, user=make_member(project, "bob"), count=count)
    client = client_of(ann)
    with django_assert_num_queries(TOKEN + MEMBER + LOCK + 11):
        response = client.post(f"{URL.format('digits')}claim/", {"count": count}, format="json")
    assert len(response.json()["tasks"]) == count


@pytest.mark.parametrize("count", [2, 30])
@pytest.mark.parametrize(("ago", "queries"), [(0, 19), (200, 17)])
def test_claim_where_nothing_is_free(
    project: Project, ago: int, queries: int, count: int, django_assert_num_queries: Any
) -> None:
    """Claims take the most queries when other annotators hold all tasks, or when leases have expired."""
    for name in ("bob", "cid"):
        queue.claim(project=project, user=make_member(project, name), count=30)
    Task.objects.update(free=0)
    Assignment.objects.update(lease_expires_at=timezone.now() + timedelta(seconds=90 - ago))
    client = client_of(make_member(project, "ann"))
    with django_assert_num_queries(TOKEN + MEMBER + LOCK + queries):
        response = client.post(f"{URL.format('digits')}claim/", {"count": count}, format="json")
    assert len(response.json()["tasks"]) == (count if ago else min(count, 15))


@pytest.mark.parametrize("count", [2, 30])
def test_answers(project: Project, count: int, django_assert_num_queries: Any) -> None:
    for name in ("ann", "bob"):
        tasks = queue.claim(project=project, user=make_member(project, name), count=count).tasks
        answers = [{"id": str(uuid.uuid4()), "task": task.pk, "value": True} for task in tasks]
        client = client_of(User.objects.get(username=name))
        # The second answers are the last ones: they make the labels.
        with django_assert_num_queries(TOKEN + MEMBER + LOCK + (7 if name == "ann" else 10)):
            response = client.post(f"{URL.format('digits')}annotations/", {"annotations": answers}, format="json")
        assert len(response.json()["accepted"]) == count


@pytest.mark.parametrize("count", [2, 30])
def test_release(project: Project, count: int, django_assert_num_queries: Any) -> None:
    ann = make_member(project, "ann")
    queue.claim(project=project, user=ann, count=count)
    client = client_of(ann)
    with django_assert_num_queries(TOKEN + MEMBER + 8):
        assert client.post(f"{URL.format('digits')}release/", {}, format="json").json() == {"released": count}


def test_skip_and_undo(project: Project, django_assert_num_queries: Any) -> None:
    ann = make_member(project, "ann")
    (task,) = queue.claim(project=project, user=ann, count=1).tasks
    client = client_of(ann)
    body = {"id": str(uuid.uuid4()), "task": task.pk, "reason": "unclear"}
    with django_assert_num_queries(TOKEN + MEMBER + LOCK + 7):
        assert client.post(f"{URL.format('digits')}skip/", body, format="json").json()["accepted"]
    with django_assert_num_queries(TOKEN + MEMBER + LOCK + 15):
        assert client.delete(f"{URL.format('digits')}annotations/{body['id']}/").status_code == 200
