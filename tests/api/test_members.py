"""People come and go; a project keeps a manager, and HEAD tells no more than GET."""

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from rest_framework.test import APIClient

from labeling import queue
from labeling.models import Assignment, Membership, Role

pytestmark = pytest.mark.django_db
URL = "/api/v1/projects/digits/"


def start() -> tuple[APIClient, APIClient]:
    """Clients of the project's only manager and of its annotator."""
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


def test_who_leaves_gives_tasks_back_and_keeps_answers() -> None:
    manager, _ = start()
    project = Membership.objects.get(user__username="ann").project
    queue.claim(project=project, user=Membership.objects.get(user__username="ann").user, count=3)
    assert manager.delete(f"{URL}members/ann/").status_code == 204
    assert not Assignment.objects.pending().exists()
    assert project.batches.get().tasks.filter(free=1).count() == 5


def test_head_needs_what_get_needs() -> None:
    manager, annotator = start()
    assert annotator.head(f"{URL}models/").status_code == 403
    assert manager.head(f"{URL}models/").status_code == 200


@pytest.mark.parametrize("value", ["nan", "NaN", "inf", -1, 0, 1e9])
def test_settings_out_of_range_are_refused_by_name(value: object) -> None:
    manager, _ = start()
    for name in ("candidate_factor", "mean_cluster_size", "batch_size"):
        response = manager.patch(URL, {name: value}, format="json")
        assert response.status_code == 400, (name, value)
        assert name in response.json()["fields"]
