"""Test that imported suggestions are shown at random, on control tasks as on others, and do not affect measurements."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from draining import drain
from factories import make_member, make_project
from taken_in import take_in

from labeling.models import Item, ModelVersion, Project, Task
from labeling.outgoing.exports.rows import pages
from labeling.projects.classes import changing as classes
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)

CLASSES = ["cat", "dog", "owl"]
QUICK = {"epochs": 2, "min_steps": 5, "calibration_labels": 0, "learns_from": "labels"}


def started(folder: Path, question: str = "single", suggestion: Any = "dog", **settings: Any) -> Project:
    """Create sixty texts, all but every fifth with a suggestion, and the first batch of forty."""
    settings = {"batch_size": 40, "control_share": 0.5, "training": QUICK, "question": question, **settings}
    project = make_project(classes=CLASSES, **settings)
    rows: list[dict[str, Any]] = [{"id": f"t{n}", "text": f"{CLASSES[n % 2]} {n}", "class": "cat"} for n in range(60)]
    for n, row in enumerate(rows):
        if n % 5:
            row["suggestion"] = suggestion
    path = folder / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    take_in(project, path)
    drain()
    return project


def claimed(project: Project, count: int = 40) -> dict[int, Any]:
    client = Client()
    client.force_login(make_member(project, "ann"))
    url = f"/api/v1/projects/{project.slug}/claim/"
    tasks = client.post(url, {"count": count}, content_type="application/json").json()["tasks"]
    return {task["id"]: task["item"] for task in tasks}


@pytest.mark.parametrize(
    ("question", "suggestion"),
    some([("single", "dog"), ("multi", []), ("multi", ["cat", "dog"]), ("verify", False)], 2),
)
def test_the_first_batch_shows_them_where_the_coin_says(question: str, suggestion: Any, tmp_path: Path) -> None:
    project = started(tmp_path, question, suggestion)
    items = claimed(project)
    tasks = Task.objects.in_bulk(items)
    suggested = {pk: Item.objects.get(pk=task.item_id).suggestion is not None for pk, task in tasks.items()}
    for pk, item in items.items():
        assert "suggestion" not in item["data"]
        shown = {"value": suggestion} if tasks[pk].prompted and suggested[pk] else None
        assert item.get("prediction") == shown
    for is_control in (True, False):
        assert {task.prompted for task in tasks.values() if task.is_control is is_control} == {True, False}
    assert any(task.prompted for pk, task in tasks.items() if not suggested[pk]), "the coin knows nothing of the item"
    assert not Item.objects.labeled().exists()
    Project.objects.update(show_suggestions=False)
    assert not any("prediction" in item for item in claimed(project).values())


@pytest.mark.parametrize(("question", "suggestion"), some([("multi", ["cat", "dog"]), ("single", "dog")]))
def test_one_of_a_class_that_is_no_longer_offered_is_not_shown(question: str, suggestion: Any, tmp_path: Path) -> None:
    project = started(tmp_path, question, suggestion, show_predictions=True)
    Task.objects.filter(item__suggestion=None, prompted=True).update(prompted_by="model", predicted=1)
    assert any("prediction" in item for item in claimed(project).values())
    classes.add(project=project, user=None, name="hen")
    classes.archive(project=project, user=None, index=1)
    assert not any("prediction" in item for item in claimed(project).values())
    classes.restore(project=project, user=None, index=1)
    classes.merge(project=project, user=None, index=1, into=2)
    shown = {str(item["prediction"]["value"]) for item in claimed(project).values() if "prediction" in item}
    assert str("owl" if question == "single" else ["cat", "owl"]) in shown
    assert not any("dog" in each for each in shown)


def test_they_measure_nothing_and_go_before_what_the_model_predicts(tmp_path: Path) -> None:
    project = started(tmp_path, show_predictions=True)
    client = Client()
    client.force_login(make_member(project, "ann"))
    url = f"/api/v1/projects/{project.slug}/annotations/"
    while items := claimed(project):
        answers = [
            {"id": str(uuid.uuid4()), "task": pk, "value": item["data"]["text"][:3], "seconds": 1}
            for pk, item in items.items()
        ]
        body = client.post(url, {"annotations": answers}, content_type="application/json").json()
        assert not body["rejected"]
    drain()
    measured = Task.objects.filter(batch__number=1, is_control=True, prompted=False).count()
    assert 0 < measured < Task.objects.filter(batch__number=1, is_control=True).count()
    assert ModelVersion.objects.get().metrics["control"]["n"] == measured
    sources = {(row["prompted"], row["prompted_by"]) for page in pages(project) for row in page}
    assert sources == {(False, None), (True, "suggestion"), (True, None)}
    tasks = Task.objects.filter(batch__number=2)
    assert tasks.filter(prompted=True, item__suggestion=1).exists()
    assert set(tasks.filter(prompted=True, item__suggestion=1).values_list("prompted_by", flat=True)) == {"suggestion"}
    others = tasks.filter(prompted=True, item__suggestion=None).values_list("prompted_by", flat=True)
    assert set(others) <= {"model"}
    shown = [item["prediction"] for item in claimed(project).values() if "prediction" in item]
    assert shown
    assert {tuple(each) for each in shown} == {("value",)}


def test_without_a_suggestion_nothing_is_prompted(tmp_path: Path) -> None:
    project = started(tmp_path, suggestion=None)
    assert not project.items.suggested().exists()
    assert not Task.objects.filter(prompted=True).exists()


def test_a_class_that_is_not_there_sets_the_row_aside(tmp_path: Path) -> None:
    project = make_project(classes=CLASSES)
    path = tmp_path / "a.csv"
    path.write_text("id,text,suggestion\n1,a,cow\n2,b,cat\n")
    take_in(project, path, strict=False)
    assert list(project.items.values_list("external_id", "suggestion")) == [("2", 0)]
    [rejected] = project.imports.get().rejected_rows.all()
    assert rejected.reason == 'Suggestion "cow" is not a class of this project (cat, dog, owl).'
