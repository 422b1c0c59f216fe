"""Test that `status` agrees with exports to the row, with the same number of queries at any size."""

import datetime
import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labeling.insight.control_slice import ControlSlice
from labeling.insight.status import status_of
from labeling.models import Assignment, Batch, ItemImport, Job, ModelVersion, Project
from labeling.outgoing.exports import choose, export
from labeling.queue import queue
from labeling.queue.deadlines import clear_unanswered, end_early
from labeling.storage.arrays.files import ProjectFiles, save_array
from tests.exports.labeled import answer, make_batch, make_items, train
from tests.factories import make_member, make_project

pytestmark = pytest.mark.django_db


def status_json(slug: str = "digits") -> dict[str, Any]:
    out = StringIO()
    call_command("status", slug, "--json", stdout=out)
    return dict(json.loads(out.getvalue()))


def status_text(slug: str = "digits") -> str:
    out = StringIO()
    call_command("status", slug, stdout=out)
    return out.getvalue()


def rows(project: Project, **filters: Any) -> list[dict[str, Any]]:
    chunks = export(project, "jsonl", choose(project, filters))
    return [json.loads(line) for chunk in chunks for line in chunk.splitlines()]


@pytest.fixture(scope="module")
def project(once: Path) -> Project:
    """Create a finished batch and a half answered one, with control items, skips and an undone answer."""
    project = make_project(classes=["a", "b"])
    items = make_items(project, 40, control_every=4)
    ann, bob = make_member(project, "ann"), make_member(project, "bob")
    first = make_batch(project, items[:10])
    answer(first, ann, [0, 1, "skip", 1, 0, "skip", 1, 1, 0, 0])
    train(first, metrics={"control": {"accuracy": 0.5, "low": 0.1, "high": 0.9, "n": 2}})
    second = make_batch(project, items[10:20], selected_by=ModelVersion.objects.get())
    answer(second, bob, [1, 1, "skip"], flagged=True)
    queue.undo(project=project, user=bob, annotation_id=bob.annotations.earliest("created_at").pk)
    queue.claim(project=project, user=ann, count=4)
    return project


def test_the_numbers_agree_with_the_exports_to_the_row(project: Project) -> None:
    status = status_json()
    labeled, answered = rows(project), rows(project, skipped=True)
    assert status["items"]["labeled"] == len(labeled) == 9
    assert status["items"]["skipped"] == len(answered) - len(labeled) == 3
    assert status["items"]["control_labeled"] == sum(row["is_control"] for row in labeled)
    assert status["annotations"]["answers"] == sum(len(row["annotations"]) for row in answered)
    assert status["annotations"]["skips"] == sum(len(row["skips"]) for row in answered)
    for batch in status["batches"]:
        of_batch = rows(project, batch=batch["number"])
        assert batch["labeled"] == len(of_batch)
        assert {row["model_version"] for row in of_batch} == {batch["selected_by"]}


def test_items_and_batches_are_counted(project: Project) -> None:
    project.items.filter(row=39).update(row=None, encode_error="no image")
    project.items.filter(row=38).update(row=None)
    Project.objects.update(encoded_rows=38)
    status = status_json()
    assert status["items"] == {
        "total": 40, "encoded": 38, "unreadable": 1, "unlabeled": 18, "labeled": 9, "skipped": 3, "excluded": 0,
        "control": 10, "control_labeled": 3,
    }  # fmt: skip
    assert status["annotations"] == {"total": 12, "answers": 9, "skips": 3, "flagged": 2}
    batch = status["batch"]
    assert {key: batch[key] for key in ("number", "state", "size", "answered", "remaining", "leased")} == {
        "number": 2, "state": "open", "size": 10, "answered": 2, "remaining": 8,
        "leased": 5,  # ann's four, and bob's, whose answer was taken back
    }  # fmt: skip
    assert [(b["number"], b["state"], b["model_version"], b["selected_by"]) for b in status["batches"]] == [
        (1, "done", 1, None),
        (2, "open", None, 1),
    ]
    Assignment.objects.pending().update(lease_expires_at=timezone.now())
    assert status_json()["batch"]["leased"] == 0


def test_a_version_is_measured_again_on_all_control_items_known_now(project: Project) -> None:
    version = ModelVersion.objects.get()
    assert status_json()["models"][0]["control_now"] is None, "without predictions on file"
    control = list(project.items.control().labeled().order_by("row"))
    best = np.zeros(40, np.int32)
    for item in control[:-1]:
        best[item.row] = item.label  # type: ignore[index]
    best[control[-1].row] = 1 - control[-1].label  # type: ignore[index, operator]
    save_array(ProjectFiles(project).pool(version, "best"), best)
    (model,) = status_json()["models"]
    assert model["metrics"]["control"] == {"accuracy": 0.5, "low": 0.1, "high": 0.9, "n": 2}
    assert model["control_now"]["n"] == len(control) == 3
    assert model["control_now"]["accuracy"] == pytest.approx(2 / 3)
    assert 0 < model["control_now"]["low"] < 2 / 3 < model["control_now"]["high"] < 1


def test_items_that_a_version_never_saw_do_not_count(project: Project) -> None:
    control = list(project.items.control().labeled().order_by("row"))
    save_array(ProjectFiles(project).pool(ModelVersion.objects.get(), "best"), np.zeros(control[-1].row, np.int32))
    assert status_json()["models"][0]["control_now"]["n"] == len(control) - 1


def test_yes_and_no_are_measured_too_but_not_sets_of_classes_by_their_best_class() -> None:
    project = make_project("verify", question="verify", classes=["a", "b"])
    batch = make_batch(project, make_items(project, 4, control_every=1))
    answer(batch, make_member(project, "ann"), [True, False, True, False])
    save_array(ProjectFiles(project).pool(train(batch), "best"), np.array([1, 0, 0, 0], np.int32))
    assert status_json("verify")["models"][0]["control_now"]["accuracy"] == 0.75
    project = make_project("multi", question="multi", classes=["a", "b"])
    batch = make_batch(project, make_items(project, 2, control_every=1))
    answer(batch, make_member(project, "ann"), [[0], [0, 1]])
    save_array(ProjectFiles(project).pool(train(batch), "best"), np.zeros(2, np.int32))
    assert status_json("multi")["models"][0]["control_now"] is None


def test_the_step_imports_failures_and_what_is_put_off_are_told(project: Project) -> None:
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    put_off = Job.objects.create(project=project, kind="encode", reason="The store is away.", run_after=at)
    [told] = status_json()["put_off"]
    assert (told["step"], told["reason"], told["retry_at"]) == ("encode", "The store is away.", "2026-01-02T03:04:05Z")
    assert "encode, to be tried again at 03:04:05 UTC: The store is away." in status_text()
    put_off.delete()
    Job.objects.create(project=project, kind="encode", state="failed", reason="The disk is full.")
    ItemImport.objects.create(project=project, name="a.csv", path="/a.csv", state="refused", reason="Line 3 is bad.")
    Job.objects.create(project=project, kind="encode")
    status = status_json()
    assert status["failures"] == [{"step": "encode", "batch": None, "import": None, "reason": "The disk is full."}]
    assert [(i["name"], i["state"], i["reason"]) for i in status["imports"]] == [("a.csv", "refused", "Line 3 is bad.")]
    assert (status["step"]["kind"], status["step"]["state"]) == ("encode", "waiting")
    Job.objects.filter(state="waiting").update(state="running", phase="reading images", share=0.25)
    text = status_text()
    for words in ("reading images, 25%", "The disk is full.", "Line 3 is bad."):
        assert words in text


def test_people_see_the_main_numbers(project: Project) -> None:
    text = status_text()
    assert "9 labeled, 3 answered without a label" in text
    assert "2 is open: 2 of 10 answered, 5 with annotators" in text
    assert "not enough data yet to tell (n = 2)" in text


def test_an_empty_project_says_what_to_do_next_and_an_unknown_one_is_told() -> None:
    make_project("empty")
    assert "import_items" in status_text("empty")
    status = status_json("empty")
    assert (status["batch"], status["step"], status["batches"], status["models"]) == (None, None, [], [])
    assert status["items"]["total"] == 0
    with pytest.raises(CommandError, match=r"no project 'nothing'"):
        call_command("status", "nothing", "--json")


def test_the_number_of_queries_does_not_grow(project: Project) -> None:
    with CaptureQueriesContext(connection) as few:
        status_of(project)
    ann = make_member(project, "ann")
    for number in (3, 4, 5):
        Batch.objects.exclude(state="done").update(state="done", remaining=0)
        batch = make_batch(project, make_items(project, 20, control_every=4))
        answer(batch, ann, [0] * 20)
        version = train(batch)
        assert batch.number == number
        save_array(ProjectFiles(project).pool(version, "best"), np.zeros(100, np.int32))
    make_batch(project, make_items(project, 20))
    with CaptureQueriesContext(connection) as many:
        status_of(project)
    assert len(many) == len(few) == 25


def test_what_is_left_fits_when_a_batch_ends_early(project: Project) -> None:
    Batch.objects.exclude(state="done").update(state="done", remaining=0)
    batch = make_batch(project, make_items(project, 20, control_every=4))
    answer(batch, make_member(project, "ann"), [0] * 7)
    assert end_early(batch=batch) == 13
    clear_unanswered(batch=batch)
    items = status_json()["items"]
    assert items["unlabeled"] == project.items.unlabeled().count() >= 13
    assert items["control_labeled"] == project.items.control().labeled().count() > 0


def test_labels_of_control_items_are_found_among_a_million_others(project: Project) -> None:
    """Every page with an accuracy reads these labels. A condition on the row makes SQLite choose a slow plan."""
    with CaptureQueriesContext(connection) as asked:
        ControlSlice(project)
    _facts, query = asked.captured_queries
    plan = project.items.control().labeled().values_list("row", "label").explain()
    assert "row" not in query["sql"].partition("WHERE")[2]
    assert "ORDER BY" not in query["sql"]
    if connection.vendor == "sqlite":  # PostgreSQL looks at the few rows of a test directly
        assert "item_control_labeled" in plan
