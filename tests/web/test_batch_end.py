"""Test that a manager ends a batch before its last answer, on the page and over the API."""

import pytest
from django.urls import reverse
from factories import make_items, make_open_batch, make_project
from pages import manager, member, text_of

from labeling.models import Batch, Project, Role, Task

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    found = make_project()
    make_open_batch(found, make_items(found, 4))
    return found


def answered(project: Project, n: int) -> None:
    """Submit `n` answers through the API as an annotator."""
    client = member(project, Role.ANNOTATOR)
    tasks = client.post("/api/v1/projects/digits/claim/", {"count": n}, "application/json").json()["tasks"]
    answers = [{"id": f"00000000-0000-4000-8000-{t['id']:012}", "task": t["id"], "value": "1"} for t in tasks]
    taken = client.post("/api/v1/projects/digits/annotations/", {"annotations": answers}, "application/json")
    assert len(taken.json()["accepted"]) == n


def page(project: Project) -> str:
    return reverse("project-batch-end", args=[project.slug, 1])


def test_the_page_asks_first_and_then_ends_it(project: Project) -> None:
    answered(project, 3)
    client = manager(project)
    asked = text_of(client.get(page(project)))
    assert "Of its 4 items, 1 item has not all required answers" in asked
    assert Batch.objects.get().state == Batch.State.OPEN
    said = text_of(client.post(page(project), follow=True))
    assert "Batch 1 is ended, 1 item back in the pool" in said
    batch = Batch.objects.get()
    assert (batch.state, batch.size, batch.dropped) == (Batch.State.TRAINING, 3, 1)
    again = text_of(client.post(page(project), follow=True))
    assert "Batch 1 is not open: it is training." in again
    assert "Batch 1 is not open: it is training." in text_of(client.get(page(project), follow=True))


def test_the_api_ends_it_too_but_none_without_answers(project: Project) -> None:
    client = manager(project)
    said = text_of(client.post(page(project), follow=True))
    assert "Nothing in batch 1 is answered yet: there is nothing to train on." in said
    assert Task.objects.count() == 4
    url = reverse("api:batch-end", args=[project.slug, 1])
    refused = client.post(url)
    assert refused.status_code == 409
    assert refused.json()["code"] == "conflict"
    answered(project, 2)
    ended = client.post(url).json()
    assert (ended["state"], ended["size"], ended["dropped"], ended["remaining"]) == ("training", 2, 2, 0)
    assert client.post(reverse("api:batch-end", args=[project.slug, 9])).status_code == 404
