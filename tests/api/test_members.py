"""Test that members are added and removed over the API, that the last manager stays, and that HEAD reveals no more than
GET.
"""

import pytest
from factories import make_items, make_member, make_open_batch, make_project, make_user
from rest_framework.test import APIClient

from labeling.models import Assignment, Membership, Role
from labeling.queue import queue

pytestmark = pytest.mark.django_db
URL = "/api/v1/projects/digits/"


def start() -> tuple[APIClient, APIClient]:
    """Return clients of the project's only manager and of its annotator."""
    project = make_project()
    make_open_batch(project, make_items(project, 5))
    clients = []
    for name, role in (("mona", Role.MANAGER), ("ann", Role.ANNOTATOR)):
        client = APIClient()
        client.force_authenticate(make_member(project, name, role))
        clients.append(client)
    return clients[0], clients[1]


def test_last_manager_stays() -> None:
    manager, _ = start()
    assert manager.delete(f"{URL}members/mona/").status_code == 409
    body = {"username": "mona", "role": "engineer"}
    response = manager.post(f"{URL}members/", body, format="json")
    assert response.status_code == 409
    assert "last manager" in response.json()["detail"]
    manager.post(f"{URL}members/", {"username": "ann", "role": "manager"}, format="json")
    assert manager.post(f"{URL}members/", body, format="json").status_code == 201


def test_whether_somebody_has_an_account_is_not_told() -> None:
    manager, _ = start()
    make_user("olga")
    for role in Role.values:
        answers = [
            manager.post(f"{URL}members/", {"username": name, "role": role}, format="json")
            for name in ("olga", "Olga", "nobody")
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert answers[0].content == answers[1].content == answers[2].content
        assert "Invite people" in answers[0].json()["detail"]
    removals = [manager.delete(f"{URL}members/{name}/") for name in ("olga", "nobody")]
    assert removals[0].status_code == removals[1].status_code == 404
    assert removals[0].content == removals[1].content
    assert not Membership.objects.filter(user__username="olga").exists()


def test_a_superuser_adds_an_account_by_name() -> None:
    start()
    make_user("olga")
    boss = APIClient()
    boss.force_authenticate(make_user("boss", is_superuser=True))
    body = {"username": "olga", "role": "engineer"}
    assert boss.post(f"{URL}members/", body, format="json").status_code == 201
    assert Membership.objects.get(user__username="olga").role == Role.ENGINEER
    assert boss.post(f"{URL}members/", {**body, "username": "nobody"}, format="json").status_code == 404


def test_who_leaves_gives_tasks_back_and_keeps_answers() -> None:
    manager, _ = start()
    project = Membership.objects.get(user__username="ann").project
    queue.claim(project=project, user=Membership.objects.get(user__username="ann").user, count=3)
    assert manager.delete(f"{URL}members/ann/").status_code == 204
    assert not Assignment.objects.pending().exists()
    assert project.batches.get().tasks.filter(free=1).count() == 5
