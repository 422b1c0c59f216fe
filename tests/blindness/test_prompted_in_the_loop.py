"""Test that control tasks are prompted as often as others, and that measurements leave prompted ones out."""

from pathlib import Path

import pytest
from django.test import Client
from draining import drain
from loop.digits import annotator, answer_batch, digits_project

from labeling.models import Batch, ModelVersion, Project, Task
from labeling.projects.classes import changing as classes

pytestmark = pytest.mark.django_db(transaction=True)


def test_half_of_the_tasks_are_prompted_and_the_rest_measures(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=400, batch_size=60, control_share=0.3)
    user = annotator(project)
    drain()
    Project.objects.update(show_predictions=True)
    for name in ("10", "11"):  # more classes than there are buttons for
        classes.add(project=project, user=user, name=name)
    assert not Task.objects.filter(prompted=True).exists(), "no model has a say in the first batch"
    answer_batch(project, user)
    drain()
    tasks = Task.objects.filter(batch__number=2)
    for is_control in (True, False):
        assert {task.prompted for task in tasks if task.is_control is is_control} == {True, False}
        assert {len(task.likely.split()) for task in tasks if task.is_control is is_control} == {10}
    assert all(int(task.likely.split()[0]) == task.predicted for task in tasks)
    client = Client()
    client.force_login(user)
    claimed = client.post(f"/api/v1/projects/{project.slug}/claim/", {"count": 60}, "application/json").json()["tasks"]
    prompted = set(tasks.filter(prompted=True).values_list("pk", flat=True))
    shown = {task["id"] for task in claimed if "prediction" in task["item"]}
    assert shown == prompted & {task["id"] for task in claimed}
    for task in claimed:
        assert ("suggestions" in task["item"]) is (task["id"] in shown)
        if task["id"] in shown:
            assert set(task["item"]["prediction"]) == {"value"}
            assert len(set(task["item"]["suggestions"])) == 5
            assert task["item"]["suggestions"][0] == task["item"]["prediction"]["value"]
    answer_batch(project, user)
    drain()
    version = ModelVersion.objects.latest("number")
    measured = Task.objects.filter(batch__number__lte=2, is_control=True, prompted=False)
    assert version.metrics["control"]["n"] == measured.count()
    assert Batch.objects.get(number=2).control_tasks > tasks.filter(is_control=True, prompted=False).count()
