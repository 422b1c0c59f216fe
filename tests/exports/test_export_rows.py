"""Test the rows of an export: their contents, their order, and the number of queries."""

import json
import uuid
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from factories import make_member, make_project
from labeled import answer, make_batch, make_items, train

from labeling.labels.corrections import correct
from labeling.labels.relabeling import relabel
from labeling.models import Annotation, Correction, Project
from labeling.outgoing.exports import count_rows
from labeling.outgoing.exports.choice import Choice, choose
from labeling.outgoing.exports.columns import COLUMNS
from labeling.outgoing.exports.rows import pages
from labeling.projects.classes import changing as classes
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer

pytestmark = pytest.mark.django_db


def rows_of(project: Project, size: int = 500, **filters: Any) -> list[dict[str, Any]]:
    return [row for page in pages(project, choose(project, filters), size=size) for row in page]


def test_a_row_holds_item_label_answers_and_lineage() -> None:
    project = make_project(kind="image")
    items = make_items(project, 6, control_every=3, media="1/images/ab/ab.png", data={"text": "two"})
    ann = make_member(project, "ann")
    first = make_batch(project, items[:2])
    answer(first, ann, [0, 1])
    version = train(first)
    second = make_batch(project, items[2:4], selected_by=version)
    answer(second, ann, [1], flagged=True)

    rows = rows_of(project)

    assert [row["external_id"] for row in rows] == ["item-0000", "item-0001", "item-0002"]
    assert list(rows[0]) == list(COLUMNS)
    annotation = Annotation.objects.get(task__item=items[2])
    assert rows[2] == {
        "item": items[2].pk,
        "external_id": "item-0002",
        "source": "",
        "data": '{"text":"two"}',
        "media": "1/images/ab/ab.png",
        "proposed": None,
        "label": "1",
        "agreement": 1.0,
        "label_probability": None,
        "label_distribution": None,
        "annotations": [
            {
                "id": str(annotation.pk),
                "annotator": "ann",
                "value": "1",
                "seconds": 1.5,
                "flagged": True,
                "guidelines_version": 0,
                "created_at": annotation.created_at,
                "batch": 2,
                "prompted": False,
            }
        ],
        "skips": [],
        "batch": 2,
        "rank": 0,
        "model_version": 1,
        "learned_by": None,
        "is_control": False,
        "prompted": False,
        "prompted_by": None,
        "control_probability": None,
        "control_weight": None,
        "margin": 0.25,
        "cluster": 7,
        "cluster_size": 3,
        "draw_pass": 0,
        "selection": 1,
        "imported": False,
        "labeled_at": project.items.get(pk=items[2].pk).labeled_at,
        "corrected_by": None,
        "corrected_at": None,
        "propagated_from": None,
        "propagated_height": None,
        "propagated_radius": None,
        "origin": "person",
        "certificate": None,
        "certified_probability": None,
    }
    assert (rows[1]["model_version"], rows[1]["learned_by"]) == (None, 1)


def test_a_control_row_has_the_probability_of_its_draw_and_no_model_learned_it() -> None:
    project = make_project()
    items = make_items(project, 20, control_every=5)
    batch = make_batch(project, items[:10])
    answer(batch, make_member(project, "ann"), [0] * 10)
    train(batch)
    control = [row for row in rows_of(project) if row["is_control"]]
    assert [row["external_id"] for row in control] == ["item-0000", "item-0005"]
    assert {row["control_probability"] for row in control} == {2 / 20}
    assert {row["learned_by"] for row in control} == {None}


def test_a_batch_that_trained_no_version_was_learned_by_the_next_one() -> None:
    project = make_project()
    items = make_items(project, 4)
    ann = make_member(project, "ann")
    first = make_batch(project, items[:2])
    answer(first, ann, [0, 1])
    type(first).objects.filter(pk=first.pk).update(state="done")
    second = make_batch(project, items[2:])
    answer(second, ann, [0, 1])
    train(second)
    assert [row["learned_by"] for row in rows_of(project)] == [1, 1, 1, 1]


def test_rows_come_by_batch_and_rank() -> None:
    project = make_project()
    items = make_items(project, 6)
    ann = make_member(project, "ann")
    first = make_batch(project, [items[4], items[0]])
    answer(first, ann, [0, 1])
    train(first)
    second = make_batch(project, [items[5], items[1]])
    answer(second, ann, [0, 1])
    rows = rows_of(project, size=1)
    assert [(row["batch"], row["rank"], row["external_id"]) for row in rows] == [
        (1, 0, "item-0004"),
        (1, 1, "item-0000"),
        (2, 0, "item-0005"),
        (2, 1, "item-0001"),
    ]
    assert [row["external_id"] for row in rows_of(project, batch=2)] == ["item-0005", "item-0001"]


def test_an_item_that_all_skipped_is_exported_only_when_asked_for() -> None:
    project = make_project()
    batch = make_batch(project, make_items(project, 3))
    ann = make_member(project, "ann")
    answer(batch, ann, [1, "skip"])
    assert [row["external_id"] for row in rows_of(project)] == ["item-0000"]
    with_skipped = rows_of(project, skipped=True)
    assert [(row["external_id"], row["label"]) for row in with_skipped] == [("item-0000", "1"), ("item-0001", None)]
    skip = with_skipped[1]["skips"][0]
    assert (skip["annotator"], skip["reason"]) == ("ann", "unclear")
    assert with_skipped[1]["annotations"] == []
    assert (count_rows(project), count_rows(project, Choice({"skipped": True}))) == (1, 2)


def test_a_task_that_lacks_answers_is_no_row_yet() -> None:
    project = make_project(overlap=2)
    batch = make_batch(project, make_items(project, 2), overlap=2)
    answer(batch, make_member(project, "ann"), [0, 0])
    assert rows_of(project, skipped=True) == []
    answer(batch, make_member(project, "bob"), [0, "skip"])
    rows = rows_of(project)
    assert [len(row["annotations"]) for row in rows] == [2, 1]
    assert [[a["annotator"] for a in row["annotations"]] for row in rows] == [["ann", "bob"], ["ann"]]


def test_what_was_taken_back_is_not_exported() -> None:
    project = make_project()
    batch = make_batch(project, make_items(project, 2))
    ann = make_member(project, "ann")
    answer(batch, ann, [0])
    first = Annotation.objects.get()
    queue.undo(project=project, user=ann, annotation_id=first.pk)
    assert rows_of(project, skipped=True) == []
    task = batch.tasks.get(rank=0)
    submitting.submit(project=project, user=ann, answers=[Answer(uuid.uuid4(), task.pk, value=1)])
    (row,) = rows_of(project)
    assert [a["value"] for a in row["annotations"]] == ["1"]
    assert str(first.pk) not in json.dumps(row, default=str)


def test_multi_and_verify_labels_are_shown_by_name() -> None:
    multi = make_project("multi", question="multi", classes=["a", "b", "c"])
    batch = make_batch(multi, make_items(multi, 2))
    answer(batch, make_member(multi, "ann"), [[0, 2], []])
    assert [row["label"] for row in rows_of(multi)] == [["a", "c"], []]

    verify = make_project("verify", question="verify", classes=["a", "b"])
    batch = make_batch(verify, make_items(verify, 2, proposed=1))
    answer(batch, make_member(verify, "ann"), [True, False])
    assert [(row["proposed"], row["label"]) for row in rows_of(verify)] == [("b", True), ("b", False)]


def test_another_project_is_not_touched_and_the_known_answer_is_never_exported() -> None:
    mine, other = (make_project(name, classes=["owl", "wren", "the-truth"]) for name in ("mine", "other"))
    for project in (mine, other):
        batch = make_batch(project, make_items(project, 2, truth=2))
        answer(batch, make_member(project, "ann"), [0, 1])
    rows = rows_of(mine)
    assert [row["item"] for row in rows] == list(mine.items.order_by("row").values_list("pk", flat=True))
    assert "truth" not in json.dumps(rows, default=str)


def test_a_vector_has_no_media() -> None:
    project = make_project(kind="vector")
    batch = make_batch(project, make_items(project, 1, media="1/vectors/import-1-0.npy"))
    answer(batch, make_member(project, "ann"), [0])
    assert rows_of(project)[0]["media"] is None


def test_a_page_costs_three_queries_whatever_is_in_it(django_assert_num_queries: Any) -> None:
    project = make_project(overlap=2)
    batch = make_batch(project, make_items(project, 60), overlap=2)
    for name in ("ann", "bob"):
        answer(batch, make_member(project, name), [1] * 60)
    with django_assert_num_queries(5 + 3):
        assert len(rows_of(project, size=100)) == 60
    with django_assert_num_queries(5 + 6 * 3 + 1):  # and one to see that there is no seventh page
        assert len(rows_of(project, size=10)) == 60


def test_a_correction_that_stands_is_told_with_the_label() -> None:
    project = make_project()
    batch = make_batch(project, make_items(project, 3))
    answer(batch, make_member(project, "ann"), [0, 0, 0])
    mona = make_member(project, "mona", "manager")
    first, second, _ = project.items.order_by("row")
    standing = Correction.objects.create(item=first, user=mona, value=5)
    Correction.objects.create(item=second, user=mona, value=5, withdrawn_at=timezone.now())
    rows = rows_of(project)
    assert [(row["corrected_by"], row["corrected_at"]) for row in rows] == [
        ("mona", standing.created_at),
        (None, None),
        (None, None),
    ]
    assert [annotation["value"] for annotation in rows[0]["annotations"]] == ["0"], "who said what stays"


def test_a_corrected_label_was_learned_by_the_first_version_trained_afterwards() -> None:
    project = make_project()
    ann, mona = make_member(project, "ann"), make_member(project, "mona", "manager")
    items = make_items(project, 6)
    first = make_batch(project, items[:2])
    answer(first, ann, [0, 0])
    train(first, seconds=0)
    correct(item=items[0], user=mona, value=1)
    assert [row["learned_by"] for row in rows_of(project)] == [None, 1]
    second = make_batch(project, items[2:4])
    answer(second, ann, [0, 0])
    version = train(second, seconds=0)
    assert [row["learned_by"] for row in rows_of(project)] == [2, 1, 2, 2]
    # A training that had begun by then has not seen the correction.
    type(version).objects.filter(pk=version.pk).update(seconds=3600)
    assert [row["learned_by"] for row in rows_of(project)] == [None, 1, 2, 2]


def test_a_label_that_a_merge_changed_is_learned_by_the_next_version() -> None:
    project = make_project()
    ann = make_member(project, "ann")
    items = make_items(project, 4)
    first = make_batch(project, items[:3])
    answer(first, ann, [0, 1, 2])
    train(first, seconds=0)
    classes.merge(project=project, user=None, index=1, into=2)
    project.refresh_from_db()
    relabel(project, writing=transaction.atomic, progress=lambda share: None)
    assert [(row["label"], row["learned_by"]) for row in rows_of(project)] == [("0", 1), ("2", None), ("2", 1)]
    second = make_batch(project, items[3:])
    answer(second, ann, [0])
    train(second, seconds=0)
    assert [row["learned_by"] for row in rows_of(project)] == [1, 2, 1, 2]
