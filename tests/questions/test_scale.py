"""Test projects with scores from 1 to 5: created, answered, resolved, learned, exported."""

import io
import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.urls import reverse
from factories import SECRET, make_items, make_member, make_open_batch, make_project
from rest_framework.test import APIClient
from taken_in import take_in

from labeling.models import Item, Project, Role, Task
from labeling.outgoing.exports import export
from labeling.projects.create import create_project
from labeling.questions import QUESTIONS, InvalidValue, named
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from models_store import questions as networks

SCORE = named("score")
POINTS = ["1", "2", "3", "4", "5"]
INDICES = {name: index for index, name in enumerate(POINTS)}


def test_both_halves_know_the_same_questions() -> None:
    assert tuple(QUESTIONS) == networks.QUESTIONS
    assert {each.name: each.proposes for each in QUESTIONS.values()} == {
        name: networks.named(name).proposes for name in networks.QUESTIONS
    }


@pytest.mark.parametrize(("sent", "stored"), [(4, 3), ("4", 3), (1, 0)])
def test_a_point_is_taken_as_a_number_or_as_its_name_and_shown_as_a_number(sent: Any, stored: int) -> None:
    assert SCORE.parse(sent, INDICES) == stored
    assert SCORE.show(stored, POINTS) == int(sent)


@pytest.mark.parametrize("sent", [0, 6, 2.5, True, None, [3], "good"])
def test_anything_else_is_refused_in_one_line(sent: Any) -> None:
    with pytest.raises(InvalidValue, match="The answer must be a point of the scale"):
        SCORE.parse(sent, INDICES)


@pytest.mark.parametrize(("answers", "label"), [([4], 4), ([0, 4, 3], 3), ([1, 2], 1), ([0, 0, 4, 4, 4], 4)])
def test_the_median_is_the_label(answers: list[int], label: int) -> None:
    assert SCORE.resolve(answers)[0] == label


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["bad", "good"], "points of its scale"),
        (["1", "3", "5"], "points of its scale"),
        (["2", "1"], "points of its scale"),
        (["0", "-1"], "points of its scale"),
        (["²", "³"], "points of its scale"),
        ([str(n) for n in range(1, 12)], "at most 10 points"),
    ],
)
def test_what_is_no_scale_is_refused_with_a_line_that_tells_what_is(classes: list[str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        create_project(slug="p", kind="text", classes=classes, settings={"question": "score"})
    with pytest.raises(CommandError, match=said):
        call_command("create_project", "p", "--kind", "text", "--question", "score", "--classes", ",".join(classes))
    assert not Project.objects.exists()


@pytest.mark.django_db
def test_the_page_and_the_api_refuse_it_too(client: Any) -> None:
    project = make_project(classes=POINTS, question="score")
    mona = make_member(project, "mona", Role.MANAGER)
    client.force_login(mona)
    form = {"name": "Taste", "kind": "text", "question": "score", "classes": "bad\ngood", "batch_size": "10"}
    response = client.post(reverse("project-new"), form)
    assert response.status_code == 400
    assert "points of its scale" in response.content.decode()
    api = APIClient()
    api.force_authenticate(mona)
    body = {"slug": "taste", "kind": "text", "question": "score", "classes": ["bad", "good"]}
    response = api.post("/api/v1/projects/", body, format="json")
    assert response.status_code == 400
    assert "points of its scale" in response.json()["fields"]["classes"][0]


@pytest.mark.django_db
def test_answers_corrections_and_what_is_read_again_are_numbers(client: Any) -> None:
    project = make_project("taste", classes=POINTS, question="score", overlap=3)
    make_open_batch(project, make_items(project, 2), overlap=3)
    apis = []
    for name in ("anna", "bert", "cleo"):
        api = APIClient()
        api.force_authenticate(make_member(project, name, Role.ANNOTATOR))
        apis.append(api)
    url = "/api/v1/projects/taste/"
    for api, value in zip(apis, (1, "5", 4), strict=True):
        task = api.post(f"{url}claim/", {"count": 1}, format="json").json()["tasks"][0]["id"]
        answer = {"id": str(uuid.uuid4()), "task": task, "value": value, "seconds": 1}
        outcome = api.post(f"{url}annotations/", {"annotations": [answer]}, format="json").json()
        assert (len(outcome["accepted"]), outcome["rejected"]) == (1, [])
    item = Item.objects.get(label__isnull=False)
    assert (item.label, item.agreement) == (3, pytest.approx(1 / 3))
    manager = APIClient()
    mona = make_member(project, "mona", Role.MANAGER)
    manager.force_authenticate(mona)
    record = manager.get(f"{url}items/{item.pk}/").json()
    assert record["label"] == 4
    assert sorted(each["value"] for each in record["annotations"]) == [1, 4, 5]
    assert manager.put(f"{url}items/{item.pk}/correction/", {"value": 2}, format="json").json()["label"] == 2
    client.force_login(mona)
    page = client.get(reverse("project-item", args=["taste", item.pk])).content.decode()
    assert "Which score?" in page
    rows = [json.loads(line) for line in b"".join(export(project, "jsonl")).splitlines()]
    assert next(row for row in rows if row["item"] == item.pk)["label"] == 2
    table = pq.read_table(io.BytesIO(b"".join(export(project, "parquet"))))
    assert table.schema.field("label").type == pa.int64()


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_a_scale_goes_round_the_loop(tmp_path: Path) -> None:
    """Vectors get longer with the score; the second batch's model is seldom more than a point off."""
    rng = np.random.default_rng(0)
    scores = rng.integers(1, 6, 150)
    rows = [
        {"id": str(n), "vector": (rng.normal(0, 0.15, 4) + score).tolist(), "truth": int(score)}
        for n, score in enumerate(scores)
    ]
    settings = {
        "seed": 5,
        "secret": SECRET,
        "pick_ahead": None,
        "batch_size": 40,
        "control_share": 0.2,
        "question": "score",
    }
    project = create_project(slug="taste", kind="vector", classes=POINTS, settings=settings)
    path = tmp_path / "items.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    take_in(project, path)
    api = APIClient()
    api.force_authenticate(make_member(project, "anna", Role.ANNOTATOR))
    for _ in range(2):
        _drain()
        while tasks := api.post("/api/v1/projects/taste/claim/", {"count": 100}, format="json").json()["tasks"]:
            answers = [
                {
                    "id": str(uuid.uuid4()),
                    "task": task["id"],
                    "value": int(scores[int(task["item"]["external_id"])]),
                    "seconds": 1,
                }
                for task in tasks
            ]
            outcome = api.post("/api/v1/projects/taste/annotations/", {"annotations": answers}, format="json").json()
            assert outcome["rejected"] == []
    _drain()
    assert project.batches.open().get().number == 3
    picked = Task.objects.filter(batch__number=3).select_related("item")
    off = [abs(int(task.predicted or 0) - task.item.truth) for task in picked]
    assert np.mean(np.array(off) <= 1) > 0.9
    assert project.versions.latest("number").metrics["control"]["accuracy"] > 0.5


def _drain() -> None:
    worker = Worker(run_step)
    while worker.run_next():
        pass
