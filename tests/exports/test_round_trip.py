"""Test that an export imported into an empty project gives the same rows, with each answer under its author's name."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from bringing import bring, bring_all
from django.db.models import F
from factories import make_member, make_project
from labeled import answer, make_batch, make_items

from labeling.labels.corrections import correct
from labeling.models import Annotation, Correction, Item, Project, User
from labeling.outgoing.exports.choice import Choice
from labeling.outgoing.exports.rows import pages
from labeling.outgoing.exports.writing import layout_for
from labeling.outgoing.formats import FORMATS
from tests.extent import ALL, some

pytestmark = pytest.mark.django_db

CLASSES = ["cat", "dog", "=1+1"]
# What holds where it was labeled alone: docs/how-to/bring-your-own-labels.md tells the same.
ITS_OWN = {
    "item", "source", "media", "batch", "rank", "model_version", "learned_by", "is_control", "prompted", "prompted_by",
    "control_probability", "control_weight", "margin", "cluster", "cluster_size", "draw_pass", "selection", "imported",
    "propagated_from", "propagated_height", "propagated_radius", "origin", "certificate", "certified_probability",
}  # fmt: skip
VALUES: dict[str, list[Any]] = {
    "single": [0, 1, 2],
    "multi": [[0], [1, 2], []],
    "verify": [True, False, True],
    "score": [0, 1, 2],
}
FORMS = ["jsonl", "csv", "parquet", "arrow"]
EACH_ONCE = list(zip(VALUES, FORMS, strict=True))
QUESTIONS_AND_FORMS = [(question, form) for question in VALUES for form in FORMS] if ALL else EACH_ONCE


def made(slug: str, question: str) -> Project:
    return make_project(slug, classes=["1", "2", "3"] if question == "score" else CLASSES, question=question)


def labeled(question: str) -> Project:
    """Create items with answers of three annotators, a skip, a flag, a manager's correction, and an item that all
    skipped.
    """
    project = made("first", question)
    one, two, three = VALUES[question]
    items = make_items(project, 6, data={"text": "'=a", "size": 1.5})
    Item.objects.filter(pk=items[0].pk).update(external_id="=id")
    batch = make_batch(project, items, overlap=2)
    ana, ben, cyd = (make_member(project, name) for name in ("ana", "ben", "cyd"))
    manager = make_member(project, "max", "manager")
    answer(batch, ana, [one, one, two, "skip", "skip", three], seconds=0.25)
    answer(batch, ben, [one, two], flagged=True)
    # Ben's places are taken: what is left, from the third task on, is Cyd's.
    batch.tasks.filter(rank__lt=2).update(rank=F("rank") + 100)
    answer(batch, cyd, [two, one, "skip", three])
    correct(item=items[1], user=manager, value=three)
    correct(item=items[4], user=manager, value=one)
    return project


def rows_of(project: Project) -> list[dict[str, Any]]:
    """Return the rows by id, without the fields that depend on the project."""
    rows = [row for page in pages(project, Choice({"skipped": True})) for row in page]
    for given in (each for row in rows for each in (*row["annotations"], *row["skips"])):
        del given["batch"], given["prompted"]
    kept = [{name: value for name, value in row.items() if name not in ITS_OWN} for row in rows]
    return sorted(kept, key=lambda row: str(row["external_id"]))


def written(project: Project, form: str) -> bytes:
    return b"".join(FORMATS[form].write(pages(project, Choice({"skipped": True})), layout_for(project.asks)))


def weigh(project: Project, question: str) -> None:
    """Resolve answers with weights: one person outvotes two, a single answer is doubtful, and a majority is
    probable.
    """
    one, two, _ = VALUES[question]
    for external_id, label, agreement, probability, likely in (
        ("=id", two, 1 / 3, 0.93, [[two, 0.93], [one, 0.07]]),
        ("item-0002", None, 1.0, None, [[two, 0.45], [one, 0.44]]),
        ("item-0005", VALUES[question][2], 1.0, 0.99, None),
    ):
        Item.objects.filter(external_id=external_id).update(
            label=label, agreement=agreement, label_probability=probability, label_distribution=likely
        )


@pytest.mark.parametrize(("question", "form"), some(QUESTIONS_AND_FORMS, 2))
def test_labels_that_were_weighed_come_back_as_what_their_annotators_came_to(
    question: str, form: str, tmp_path: Path
) -> None:
    first = labeled(question)
    two = VALUES[question][1]
    answered = Annotation.objects.filter(task__item__external_id="=id")
    extra = answered.earliest("created_at")
    extra.pk, extra.user, extra.value = uuid.uuid4(), make_member(first, "cyd"), two
    extra.save(force_insert=True)
    weigh(first, question)
    tied = Annotation.objects.filter(task__item__external_id="item-0003", value__isnull=True)
    assert tied.update(value=two, skip_reason="") == 1
    label, agreement = first.asks.resolve([two, VALUES[question][0]])  # a score has no ties
    Item.objects.filter(external_id="item-0003").update(label=label, agreement=agreement)
    Item.objects.filter(label__isnull=True).update(labeled_at=None)
    content, before = written(first, form), rows_of(first)
    first.batches.all().delete()
    first.items.all().delete()
    path = tmp_path / f"labels.{form}"
    path.write_bytes(content)
    second = made("second", question)
    bring_all(second, path, user=User.objects.get(username="max"))
    assert rows_of(second) == before
    assert Correction.objects.filter(item__project=second).count() == 2, "those that there were"


def test_a_label_that_somebody_changed_in_the_file_is_the_word_of_whoever_imports_it(tmp_path: Path) -> None:
    first = labeled("single")
    weigh(first, "single")
    rows = [json.loads(line) for line in written(first, "jsonl").decode().splitlines()]
    changed = next(row for row in rows if row["external_id"] == "=id")
    assert changed["label"] == "dog"
    changed["label"] = "=1+1"
    first.batches.all().delete()
    first.items.all().delete()
    path = tmp_path / "labels.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    second = made("second", "single")
    bring_all(second, path, user=User.objects.get(username="max"))
    item = second.items.get(external_id="=id")
    assert (item.label, item.label_probability, item.label_distribution) == (2, None, None)
    assert item.corrections.get().user.username == "max"


@pytest.mark.parametrize("value", ["[1]", '[["cat",2]]', '[["cow",0.5]]', '[["cat"]]', "0.5", '[["cat",null]]'])
def test_what_is_no_distribution_sets_the_row_aside(value: str, tmp_path: Path) -> None:
    project = made("second", "single")
    row = {"external_id": "a", "data": {"text": "a"}, "label": "cat", "label_distribution": value}
    row["annotations"] = [{"annotator": "ana", "value": "cat"}]
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps(row))
    [rejected] = bring(project, path).rejected_rows.all()
    assert "label_distribution" in rejected.reason.lower()


@pytest.mark.parametrize(("question", "form"), some(QUESTIONS_AND_FORMS, 2))
def test_an_export_that_is_imported_gives_the_same_export(question: str, form: str, tmp_path: Path) -> None:
    first = labeled(question)
    content, before = written(first, form), rows_of(first)
    assert len(before) == 6
    first.batches.all().delete()
    first.items.all().delete()
    User.objects.exclude(username="max").delete()  # an empty server, but for one
    second = made("second", question)
    path = tmp_path / f"labels.{form}"
    path.write_bytes(content)
    brought = bring_all(second, path)
    assert (brought.accepted, brought.labeled) == (len(before), sum(row["label"] is not None for row in before))
    assert rows_of(second) == before
