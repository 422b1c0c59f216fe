"""Test that the five suggested classes are alike on control, gold and other tasks, and absent on unprompted tasks."""

from typing import Any

import pytest
from django.test import Client
from factories import make_items, make_member, make_open_batch, make_project
from test_nothing_predicts_control import shape_of

from labeling.models import Batch, Project
from labeling.projects.classes import changing as classes

pytestmark = pytest.mark.django_db

NAMES = [f"class {number:02}" for number in range(14)]
LIKELY = "3 13 10 2 5 4 11 0 1 6"


def batch_of(question: str = "single", **settings: Any) -> tuple[Project, Batch]:
    project = make_project(classes=NAMES, question=question, **{"show_predictions": True, **settings})
    batch = make_open_batch(project, make_items(project, 8))
    batch.tasks.update(predicted=3, confidence=0.99, likely=LIKELY)
    batch.tasks.filter(rank__in=(0, 2, 4, 6)).update(prompted=True, prompted_by="model")
    return project, batch


def claimed(project: Project) -> list[Any]:
    client = Client()
    client.force_login(make_member(project, "annie"))
    url = f"/api/v1/projects/{project.slug}/claim/"
    tasks: list[Any] = client.post(url, {"count": 8}, content_type="application/json").json()["tasks"]
    return sorted(tasks, key=lambda task: task["rank"])


def shape(task: Any) -> str:
    """Return the form of a value without its ids, whose length grows."""
    return shape_of({**task, "id": 0, "item": {**task["item"], "id": 0}})


def named(text: str) -> list[str]:
    return [NAMES[int(index)] for index in text.split()]


@pytest.mark.parametrize("question", ["single", "multi"])
def test_all_kinds_of_tasks_receive_the_same(question: str) -> None:
    project, batch = batch_of(question)
    batch.tasks.filter(rank__in=(0, 1)).update(is_control=True)
    for task in batch.tasks.filter(rank__in=(2, 3)):
        batch.tasks.filter(pk=task.pk).update(is_gold=True, item=None, repeats=task.item_id)
    tasks = claimed(project)
    assert len({shape(task) for task in tasks[::2]}) == 1
    assert len({shape(task) for task in tasks[1::2]}) == 1
    for task in tasks:
        expected = named("3 13 10 2 5") if task["rank"] % 2 == 0 else None
        assert task["item"].get("suggestions") == expected
        assert ("prediction" in task["item"]) is (expected is not None)
    assert tasks[0]["item"]["prediction"] == {"value": NAMES[3] if question == "single" else [NAMES[3]]}


@pytest.mark.parametrize(
    ("question", "own", "expected"),
    [
        ("single", 7, "7 3 13 10 2"),
        ("single", 10, "10 3 13 2 5"),
        ("multi", [7, 2], "7 2 3 13 10"),
        ("multi", [], "3 13 10 2 5"),
    ],
)
def test_an_answer_that_came_with_the_item_comes_first_and_looks_alike(question: str, own: Any, expected: str) -> None:
    project, batch = batch_of(question, show_suggestions=True)
    first = batch.tasks.get(rank=0)
    project.items.filter(pk=first.item_id).update(suggestion=own)
    batch.tasks.filter(rank=0).update(prompted_by="suggestion")
    tasks = claimed(project)
    assert tasks[0]["item"]["suggestions"] == named(expected)
    if question == "single":
        assert shape(tasks[0]) == shape(tasks[2])


def test_classes_that_are_no_longer_offered_make_room_for_the_next() -> None:
    project, _ = batch_of()
    classes.archive(project=project, user=None, index=13)
    classes.merge(project=project, user=None, index=2, into=3)
    assert claimed(project)[0]["item"]["suggestions"] == named("3 10 5 4 11")


def test_nothing_is_suggested_once_predictions_are_not_to_be_shown() -> None:
    project, _ = batch_of()
    Project.objects.update(show_predictions=False)
    assert not any({"prediction", "suggestions"} & set(task["item"]) for task in claimed(project))
