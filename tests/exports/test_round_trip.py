"""What is exported comes back in as it was: into an empty project, each answer under its author's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db.models import F
from factories import make_member, make_project
from labeled import answer, make_batch, make_items

from labeling.answering.corrections import correct
from labeling.intake.run import import_items
from labeling.intake.uploads import register
from labeling.loop.step import Step
from labeling.models import Item, Project, User
from labeling.models.jobs import worker_name
from labeling.outgoing.exports.choice import Choice
from labeling.outgoing.exports.formats import FORMATS
from labeling.outgoing.exports.rows import pages

pytestmark = pytest.mark.django_db

CLASSES = ["cat", "dog", "=1+1"]
# What holds where it was labeled alone: docs/how-to/bring-your-own-labels.md tells the same.
ITS_OWN = {
    "item", "source", "media", "batch", "rank", "model_version", "learned_by", "is_control", "prompted", "prompted_by",
    "control_probability", "control_weight", "margin", "cluster", "cluster_size", "draw_pass", "selection", "imported",
    "label_probability", "label_distribution",
}  # fmt: skip
VALUES: dict[str, list[Any]] = {
    "single": [0, 1, 2],
    "multi": [[0], [1, 2], []],
    "verify": [True, False, True],
    "score": [0, 1, 2],
}


def made(slug: str, question: str) -> Project:
    return make_project(slug, classes=["1", "2", "3"] if question == "score" else CLASSES, question=question)


def labeled(question: str) -> Project:
    """Three annotators, two answers to an item, a skip, a flag, a correction by a manager, and an item all skipped."""
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
    """The rows without what is a project's own, by their ids."""
    rows = [row for page in pages(project, Choice(skipped=True)) for row in page]
    kept = [{name: value for name, value in row.items() if name not in ITS_OWN} for row in rows]
    return sorted(kept, key=lambda row: str(row["external_id"]))


def written(project: Project, form: str) -> bytes:
    return b"".join(FORMATS[form].write(pages(project, Choice(skipped=True)), project.asks))


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("question", list(VALUES))
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
    job = register(project=second, user=None, path=path, name=path.name, strict=False, taken_by=worker_name())
    import_items(Step(job, patient=False))
    brought = second.imports.get()
    assert [(row.where, row.reason) for row in brought.rejected_rows.all()] == []
    assert (brought.accepted, brought.labeled) == (len(before), sum(row["label"] is not None for row in before))
    assert rows_of(second) == before
