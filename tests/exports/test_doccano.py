"""Test doccano's lines in both directions."""

import json
from pathlib import Path
from typing import Any

import pytest
from bringing import bring_all, empty_like
from factories import certify, make_member, make_project
from labeled import answer, make_batch, make_items, train

from labeling.models import Project
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
    second = empty_like(first)
    bring_all(second, path)
    return second


@pytest.mark.parametrize("question", VALUES)
def test_labels_come_back(question: str, tmp_path: Path) -> None:
    first = labeled(question)
    rows = lines(first, skipped="yes")
    if question == "single":
        assert (rows[0]["text"], rows[0]["label"], rows[0]["external_id"]) == ("größer", ["cat"], "item-0000")
        assert (rows[0]["imported_label"], rows[0]["n"]) == ("mine", 1.5)
    second = again(first, rows, tmp_path / "all.jsonl")
    found = {item.external_id: (item.label, item.proposed) for item in second.items.all()}
    assert found == {item.external_id: (item.label, item.proposed) for item in first.items.all()}
    assert second.items.get(external_id="item-0000").data == {"text": "größer", "imported_label": "mine", "n": 1.5}


def test_a_certified_label_comes_back_as_a_suggestion_and_only_texts_have_it(tmp_path: Path) -> None:
    first = labeled("single")
    certify(first, {make_items(first, 1)[0]: 1}, version=train(first.batches.get()))
    item = again(first, lines(first, certified="yes"), tmp_path / "all.jsonl").items.get(external_id="item-0003")
    assert (item.label, item.suggestion) == (None, 1)
    kinds = ("text", "image", "audio", "vector")
    assert [kind for kind in kinds if "doccano" in formats_of(make_project(kind, kind=kind))] == ["text"]
