"""Test that a secret determines control items and the order of tasks."""

import hashlib
from typing import Any

import numpy as np
import pytest
from django.test import Client
from factories import make_items, make_member, make_open_batch, make_project

from labeling.intake.items import control_key
from labeling.models import Project, Role
from labeling.models.projects import new_secret
from labeling.steps.batch_tasks import prompted
from labeling.steps.select import seed_of

pytestmark = pytest.mark.django_db


def test_every_project_has_a_secret_of_its_own_of_256_bits() -> None:
    projects = [Project.objects.create(slug=f"p-{n}", name="p", kind="text", secret=new_secret()) for n in range(3)]
    assert len({bytes(project.secret) for project in projects}) == 3
    assert {len(bytes(project.secret)) for project in Project.objects.all()} == {32}
    assert len(bytes(Project(slug="new").secret)) == 32, "new projects get one unasked"


def test_the_seed_tells_neither_control_items_nor_the_order() -> None:
    one, other = (Project(slug=slug, seed=7, secret=slug.encode() * 16) for slug in ("aa", "bb"))
    ids = [f"digit-{n:04}" for n in range(1797)]
    keys = [[control_key(project.keyed("control", each)) for each in ids] for project in (one, other)]
    reserved = [np.array(each) < 0.1 for each in keys]
    both = (reserved[0] & reserved[1]).sum()
    assert 5 < both < 40, "two projects of one seed share no more control items than chance makes"
    unkeyed = [int.from_bytes(hashlib.sha256(f"7/control/{each}".encode()).digest()[:6], "big") / 2**48 for each in ids]
    assert not set(unkeyed) & set(keys[0])
    assert seed_of(one, 2) != seed_of(other, 2)
    assert max(seed_of(one, n) for n in range(100)) > 2**60, "no search over 31 bits finds one"


def test_the_same_secret_gives_the_same_again() -> None:
    one, again = (Project(slug=slug, seed=seed, secret=b"s" * 32) for slug, seed in (("a", 1), ("b", 2)))
    assert control_key(one.keyed("control", "x")) == control_key(again.keyed("control", "x"))
    assert seed_of(one, 3) == seed_of(again, 3)


def test_no_answer_or_page_tells_a_secret() -> None:
    project = make_project(kind="image")
    batch = make_open_batch(project, make_items(project, 4))
    batch.seed = seed_of(project, 1)
    batch.save()
    client = Client()
    client.force_login(make_member(project, "mona", Role.MANAGER))
    secret = bytes(project.secret)
    for path in (*API, *PAGES):
        response = client.get(path)
        assert response.status_code == 200, path
        content = b"".join(response.streaming_content) if response.streaming else response.content
        assert secret not in content, path
        assert secret.hex().encode() not in content, path


API = [f"/api/v1/projects/{rest}" for rest in ("", "digits/", "digits/batches/1/", "digits/export/", "digits/items/")]
PAGES = [f"/p/digits/{rest}" for rest in ("", "settings/", "batches/1/", "items/", "export/")]


def test_a_coin_that_knows_nothing_of_a_task_says_where_predictions_are_shown() -> None:
    project = Project(slug="a", secret=b"s" * 32, show_predictions=True)
    coins = prompted(project, 2, 20_000)
    assert abs(coins.mean() - 0.5) < 0.02
    assert coins.tolist() != prompted(project, 3, 20_000).tolist()
    assert coins.tolist() == prompted(project, 2, 20_000).tolist()
    project.show_predictions = False
    assert not prompted(project, 2, 20_000).any()


def test_figures_stand_on_control_items_that_were_answered_unprompted() -> None:
    project = make_project(show_predictions=True)
    batch = make_open_batch(project, make_items(project, 6, reserved=True, label=1, labeled_at="2026-01-01T00:00Z"))
    batch.tasks.filter(rank__lt=4).update(prompted=True)
    shown = set(batch.tasks.filter(rank__lt=4).values_list("item", flat=True))
    assert project.items.control().labeled().count() == 6
    assert project.items.measuring().count() == 2
    assert not shown & set(project.items.measuring().values_list("pk", flat=True))


@pytest.mark.parametrize("shown", [True, False])
def test_control_tasks_are_received_like_others(shown: bool) -> None:
    """A claimed task has the same form in every order of control tasks and prompts, with and without a prompt."""
    project = make_project(show_predictions=shown)
    batch = make_open_batch(project, make_items(project, 8))
    batch.tasks.update(predicted=3, confidence=0.99)
    batch.tasks.filter(rank__in=(0, 1, 4, 5)).update(is_control=True)
    batch.tasks.filter(rank__in=(0, 2, 4, 6)).update(prompted=True)
    client = Client()
    client.force_login(make_member(project, "annie"))
    tasks = client.post(f"/api/v1/projects/{project.slug}/claim/", {"count": 8}, "application/json").json()["tasks"]
    by_side: dict[bool, set[str]] = {True: set(), False: set()}
    for task in tasks:
        by_side[task["rank"] % 2 == 0].add(shape_of(task))
    assert [len(shapes) for shapes in by_side.values()] == [1, 1]
    assert ("prediction" in by_side[True].pop()) is shown
    assert "prediction" not in by_side[False].pop()


def shape_of(value: Any) -> str:
    """Return the names in a value in their order, and the lengths of its texts and numbers."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{shape_of(inner)}" for name, inner in value.items()) + "}"
    return f"{type(value).__name__}{len(str(value))}"
