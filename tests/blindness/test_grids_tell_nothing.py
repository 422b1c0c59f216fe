"""Test that the contents and the order of grids do not depend on which tasks are control tasks."""

from typing import Any

import pytest
from django.db.models import Case, Value, When
from django.test import Client
from factories import make_items, make_member, make_open_batch, make_project

from labeling.models import Task

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("question", ["single", "verify"])
def test_control_tasks_come_in_the_same_grids_in_the_same_way(question: str) -> None:
    project = make_project(question=question, grids=True, show_predictions=True)
    batch = make_open_batch(project, make_items(project, 60))
    for task in batch.tasks.all():
        batch.tasks.filter(pk=task.pk).update(
            prompted=task.rank % 4 < 2, predicted=task.rank % 2, is_control=task.rank % 3 == 0
        )
    client = Client()
    client.force_login(make_member(project, "ann"))

    def grid() -> list[Any]:
        url = f"/api/v1/projects/{project.slug}/"
        body = {"count": 40, "same_class": True}
        tasks: list[Any] = client.post(f"{url}claim/", body, content_type="application/json").json()["tasks"]
        client.post(f"{url}release/", {}, content_type="application/json")
        return tasks

    before = grid()
    if question == "single":
        assert len({task["item"]["prediction"]["value"] for task in before}) == 1
    else:
        assert len({task["item"]["proposed"] for task in before}) == 1
    of_grid = Task.objects.filter(pk__in=[task["id"] for task in before])
    assert set(of_grid.values_list("is_control", flat=True)) == {True, False}
    Task.objects.update(is_control=Case(When(is_control=True, then=Value(False)), default=Value(True)))
    assert grid() == before
