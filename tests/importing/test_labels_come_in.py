"""Test that imported labels form a batch of their own, are trained on at once, and never measure models."""

import json
from pathlib import Path
from typing import Any

import bringing
import pytest
from factories import make_member, make_project

from labeling.intake import chunk_writing
from labeling.kinds.text import Text
from labeling.loop import batches
from labeling.loop.table import BatchEvent
from labeling.models import Annotation, Batch, Correction, Item, ItemImport, Job, Membership, Project, User
from labeling.outgoing.exports.rows import pages
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from tests.extent import some

pytestmark = pytest.mark.django_db

CLASSES = ["cat", "dog", "owl"]
QUICK = {"epochs": 2, "min_steps": 5, "calibration_labels": 0, "learns_from": "labels"}


def project_of(question: str = "single", **settings: Any) -> Project:
    classes = ["1", "2", "3"] if question == "score" else CLASSES
    settings = {"question": question, "control_share": 0.3, "batch_size": 4, "training": QUICK, **settings}
    return make_project(classes=classes, **settings)


def drain() -> None:
    worker = Worker(run_step)
    while worker.run_next():
        pass
    assert not Job.objects.filter(state=Job.State.FAILED).exists()


def bring(
    project: Project, rows: list[dict[str, Any]], folder: Path, *, user: User | None = None, name: str = "a"
) -> ItemImport:
    path = folder / f"{name}.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return bringing.bring(project, path, user=user)


def rows_of(n: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"id": f"t{number}", "text": f"{CLASSES[number % 2]} {number}", **fields} for number in range(n)]


def exported(project: Project) -> list[dict[str, Any]]:
    return [row for page in pages(project) for row in page]


@pytest.mark.parametrize(
    ("question", "fields", "label"),
    [
        ("single", {"label": "dog"}, "dog"),
        ("multi", {"label": ["owl", "cat"]}, ["cat", "owl"]),
        ("multi", {"label": []}, []),
        ("verify", {"label": False, "class": "cat"}, False),
        ("score", {"label": 2}, 2),
    ],
)
def test_a_bare_label_is_the_answer_of_whoever_imports_it(question, fields, label, tmp_path):
    project = project_of(question)
    ana = make_member(project, "ana", "manager")
    brought = bring(project, rows_of(1, **fields), tmp_path, user=ana)
    assert (brought.accepted, brought.labeled, brought.rejected) == (1, 1, 0)
    [row] = exported(project)
    assert (row["label"], row["agreement"], row["imported"], row["is_control"]) == (label, 1.0, True, False)
    assert [(each["annotator"], each["value"]) for each in row["annotations"]] == [("ana", label)]
    assert not Correction.objects.exists()


def test_authors_who_are_not_here_get_an_account_that_is_of_no_use(tmp_path, client):
    project = project_of()
    here = make_member(project, "ana")
    answers = [{"annotator": "ana", "value": "cat"}, {"annotator": "zoe", "value": "cat"}]
    bring(project, rows_of(2, annotations=answers), tmp_path)
    zoe = User.objects.get(username="zoe")
    assert (zoe.is_active, zoe.has_usable_password()) == (False, False)
    assert not Membership.objects.filter(user=zoe).exists()
    assert Annotation.objects.filter(user=here).count() == Annotation.objects.filter(user=zoe).count() == 2
    assert not client.login(username="zoe", password="")


def test_a_label_that_the_answers_do_not_amount_to_is_the_word_of_whoever_corrected_or_imports_it(tmp_path):
    project = project_of()
    ana = make_member(project, "ana", "manager")
    answers = [{"annotator": "zoe", "value": "cat"}]
    skips = [{"annotator": "ana", "reason": "Cannot be made out"}]
    at = "2026-03-01T14:30:00+00:00"
    rows = [
        {"id": "1", "text": "a", "label": "dog", "annotations": answers, "corrected_by": "max", "corrected_at": at},
        {"id": "2", "text": "b", "label": "dog", "annotations": answers},
        {"id": "3", "text": "c", "label": "dog", "skips": skips},
        {"id": "4", "text": "d", "label": "cat", "annotations": answers},
    ]
    bring(project, rows, tmp_path, user=ana)
    by_id = {row["external_id"]: row for row in exported(project)}
    assert [by_id[pk]["label"] for pk in "1234"] == ["dog", "dog", "dog", "cat"]
    assert [by_id[pk]["corrected_by"] for pk in "1234"] == ["max", "ana", "ana", None]
    assert [by_id[pk]["agreement"] for pk in "1234"] == [0.0, 0.0, None, 1.0]
    assert by_id["1"]["corrected_at"].isoformat() == at


def test_an_annotation_whose_id_is_taken_gets_another(tmp_path):
    first, second = project_of(), make_project("other", classes=CLASSES)
    pk = "6f1f0a52-8a53-4a39-9a52-9f3a7d0a1b11"
    rows = rows_of(2, annotations=[{"id": pk, "annotator": "zoe", "value": "cat"}])
    bring(first, rows[:1], tmp_path)
    bring(second, rows, tmp_path)
    assert str(Annotation.objects.get(task__batch__project=first).pk) == pk
    assert Annotation.objects.filter(task__batch__project=second).count() == 2


def test_labels_are_trained_on_at_once_and_the_next_batch_is_picked_by_what_was_learned(tmp_path):
    project = project_of(pick_ahead=0.5)
    rows = [
        *({**row, "label": row["text"].split()[0]} for row in rows_of(30)),
        *({"id": f"u{n}", "text": f"cat {n}"} for n in range(30)),
    ]
    bring(project, rows, tmp_path)
    imported = project.batches.get()
    assert (imported.state, imported.strategy, imported.size, imported.remaining) == ("importing", "imported", 30, 0)
    drain()
    imported, after = project.batches.order_by("number")
    assert (imported.state, after.state, after.size) == ("done", "open", 4)
    version = project.versions.get()
    assert (version.batch, version.labels, after.selected_by) == (imported, 30, version)
    assert not project.items.imported().filter(reserved=True).exists()
    assert project.items.control().filter(external_id__startswith="u").exists()
    assert not project.items.drawn().exists()
    assert not project.items.measuring().exists()
    assert Job.objects.filter(kind=Job.Kind.TRAIN).count() == 1
    assert {row["learned_by"] for row in exported(project)} == {1}


@pytest.mark.long
def test_labels_that_come_in_while_a_batch_is_open_are_learned_beside_it(tmp_path):
    project = project_of(pick_ahead=None)
    bring(project, rows_of(20), tmp_path)
    drain()
    assert project.batches.get().state == "open"
    rows = [{"id": f"l{n}", "text": f"{CLASSES[n % 2]} {n}", "label": CLASSES[n % 2]} for n in range(10)]
    bring(project, rows, tmp_path, name="b")
    drain()
    first, second = project.batches.order_by("number")
    assert (first.state, second.state, project.versions.get().batch) == ("open", "done", second)
    Batch.objects.filter(pk=first.pk).update(remaining=0)
    batches.advance(first, BatchEvent.ANSWERED)
    drain()
    assert project.versions.newest().labels >= 10  # the later batch was learned already, and stays so


def test_an_import_that_ends_while_another_batch_is_picked_comes_behind_it(tmp_path):
    project = project_of()
    bring(project, rows_of(3, label="cat"), tmp_path)
    Batch.objects.create(project=project, number=2, state=Batch.State.OPEN, strategy="seed")
    drain()
    assert project.batches.get(strategy="imported").number == 3


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", some([2, 4, 1, 3], 2))
def test_killed_in_the_middle_it_goes_on_and_doubles_nothing(at, tmp_path, monkeypatch):
    monkeypatch.setattr(Text, "chunk", 2)
    monkeypatch.setattr(Text, "chunks_at_once", 1)
    project, times = project_of(), []
    real = chunk_writing.write_items

    def write(*args: Any) -> int:
        times.append(1)
        labeled = real(*args)
        if len(times) == at:
            raise Killed
        return labeled

    monkeypatch.setattr(chunk_writing, "write_items", write)
    with pytest.raises(Killed):
        bring(project, rows_of(8, label="cat", annotations=[{"annotator": "zoe", "value": "cat"}]), tmp_path)
    brought = project.imports.get()
    assert brought.position == brought.accepted == brought.labeled == Annotation.objects.count() == 2 * (at - 1)
    Job.objects.update(state=Job.State.WAITING, worker="")
    drain()
    brought.refresh_from_db()
    assert (brought.accepted, brought.labeled, brought.batch.size) == (8, 8, 8)
    assert Annotation.objects.count() == brought.batch.tasks.count() == Item.objects.labeled().count() == 8
    assert sorted(brought.batch.tasks.values_list("rank", flat=True)) == list(range(8))
    assert project.versions.count() == Job.objects.filter(kind=Job.Kind.TRAIN).count() == 1


def test_plain_items_take_no_further_query(tmp_path, django_assert_max_num_queries):
    project = project_of()
    bring(project, rows_of(1), tmp_path)
    with django_assert_max_num_queries(60) as plain:
        bring(project, [{"id": "x", "text": "x"}], tmp_path, name="b")
    assert not any("labeling_batch" in query["sql"] for query in plain.captured_queries)
