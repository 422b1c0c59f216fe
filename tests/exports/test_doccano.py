"""Test doccano's lines in both directions."""

import json
from pathlib import Path
from typing import Any

import pytest
from factories import certify, make_member, make_project
from labeled import answer, make_batch, make_items, train

from labeling.intake.run import import_items
from labeling.intake.uploads import register
from labeling.loop.step import Step
from labeling.models import Project
from labeling.models.jobs import worker_name
from labeling.outgoing.exports import choose, export, formats_of

pytestmark = pytest.mark.django_db

VALUES: dict[str, list[Any]] = {"single": [0, 1], "multi": [[0, 1], []], "verify": [True, False], "score": [0, 1]}


def labeled(question: str) -> Project:
    classes = ["1", "2"] if question == "score" else ["cat", "a|b"]
    project = make_project("first", classes=classes, question=question)
    items = make_items(project, 3, data={"text": "größer", "label": "mine", "n": 1.5})
    answer(make_batch(project, items), make_member(project, "ann"), [*VALUES[question], "skip"])
    return project


def lines(project: Project, **filters: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in b"".join(export(project, "doccano", choose(project, filters))).splitlines()]


def again(first: Project, rows: list[dict[str, Any]], path: Path) -> Project:
    """Import the lines as doccano exports them, with numbers of its own, into an empty project like the first one."""
    path.write_text("\n".join(json.dumps({"id": number, **row}) for number, row in enumerate(rows, 5)))
    classes = list(first.classes.order_by("index").values_list("name", flat=True))
    second = make_project("second", classes=classes, question=first.question)
    job = register(project=second, user=None, path=path, name=path.name, strict=False, taken_by=worker_name())
    import_items(Step(job, gives_way=False))
    assert [(row.where, row.reason) for row in second.imports.get().rejected_rows.all()] == []
    return second


def test_a_line_has_what_doccano_reads() -> None:
    row, *_ = lines(labeled("single"))
    assert (row["text"], row["label"], row["external_id"]) == ("größer", ["cat"], "item-0000")
    assert (row["imported_label"], row["n"]) == ("mine", 1.5)


@pytest.mark.parametrize("question", VALUES)
def test_labels_come_back(question: str, tmp_path: Path) -> None:
    first = labeled(question)
    second = again(first, lines(first, skipped="yes"), tmp_path / "all.jsonl")
    found = {item.external_id: (item.label, item.proposed) for item in second.items.all()}
    assert found == {item.external_id: (item.label, item.proposed) for item in first.items.all()}
    assert second.items.get(external_id="item-0000").data == {"text": "größer", "imported_label": "mine", "n": 1.5}


def test_a_certified_label_comes_back_as_a_suggestion(tmp_path: Path) -> None:
    first = labeled("single")
    certify(first, {make_items(first, 1)[0]: 1}, version=train(first.batches.get()))
    second = again(first, lines(first, certified="yes"), tmp_path / "all.jsonl")
    item = second.items.get(external_id="item-0003")
    assert (item.label, item.suggestion) == (None, 1)


def test_only_texts_have_it() -> None:
    assert [
        kind for kind in ("text", "image", "audio", "vector") if "doccano" in formats_of(make_project(kind, kind=kind))
    ] == ["text"]
