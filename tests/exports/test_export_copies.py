"""Test near-copies in exports: only on request, marked as such, and without a label when imported again."""

import json
from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project

from labeling.intake.row_labels import item_fields
from labeling.models import Annotation, Batch, Copy, CopyAnswer, Item, Project
from labeling.outgoing.exports import choose, count_rows, export
from labeling.outgoing.exports.columns import COLUMNS
from labeling.outgoing.exports.rows import pages
from labeling.outgoing.formats import FORMATS

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    """Create two labeled items with three near-copies each; an annotator removed one copy."""
    project = make_project(near_copies=3)
    sources = make_items(project, 2)
    batch = make_open_batch(project, sources)
    Batch.objects.update(copy_radius=0.5)
    ann = make_member(project, "ann")
    items = make_items(project, 6, first=2, data={"text": "größer", "n": 10**30})
    for number, item in enumerate(items):
        source = sources[number // 3]
        copy = Copy.objects.create(of=source, item=item, batch=batch, height=0.25)
        annotation, _ = Annotation.objects.get_or_create(task=source.task, user=ann, defaults={"value": 7})
        CopyAnswer.objects.create(copy=copy, annotation=annotation, same=number > 0)
    Item.objects.filter(pk__in=[item.pk for item in sources]).update(
        label=7, agreement=1, labeled_at="2026-03-01T12:00Z"
    )
    return project


def rows(project: Project, **filters: Any) -> list[dict[str, Any]]:
    return [row for page in pages(project, choose(project, filters), size=2) for row in page]


def test_they_come_where_they_are_asked_for_behind_the_items_of_their_batch(project: Project) -> None:
    assert [row["external_id"] for row in rows(project)] == ["item-0000", "item-0001"]
    with_copies = rows(project, copies="true")
    assert [row["external_id"] for row in with_copies] == [f"item-000{n}" for n in (0, 1, 3, 4, 5, 6, 7)]
    assert all(list(row) == list(COLUMNS) for row in with_copies)
    copy = with_copies[2]
    columns = {"label", "annotations", "batch", "rank", "is_control", "propagated_from", "propagated_height"}
    assert {name: copy[name] for name in sorted(columns | {"propagated_radius"})} == {
        "label": "7", "annotations": [], "batch": 1, "rank": None, "is_control": False,
        "propagated_from": "item-0000", "propagated_height": 0.25, "propagated_radius": 0.5,
    }  # fmt: skip
    assert json.loads(copy["data"]) == {"text": "größer", "n": 10**30}
    assert {row["propagated_from"] for row in with_copies[:2]} == {None}
    assert count_rows(project, choose(project, {"copies": "1"})) == 7
    assert count_rows(project, choose(project, {"copies": "1", "batch": "1"})) == 7


def test_filters_hold_for_them_too(project: Project) -> None:
    for filters, n in (
        ({"control": "only"}, 0),
        ({"control": "without"}, 5),
        ({"agreement": "0"}, 0),
        ({"since": "2026-03-01"}, 5),
        ({"since": "2026-03-02"}, 0),
        ({"until": "2026-03-01"}, 5),
        ({"until": "2026-02-28"}, 0),
    ):
        found = rows(project, copies="true", **filters)
        assert len([row for row in found if row["propagated_from"]]) == n, filters
        assert count_rows(project, choose(project, {"copies": "true", **filters})) == len(found)


def test_every_format_holds_them_and_imported_again_they_are_items_without_a_label(project: Project) -> None:
    choice = choose(project, {"copies": "yes"})
    for form in FORMATS:
        assert b"".join(export(project, form, choice))
        assert choice.file_name(project, f".{form}") == f"digits-with-copies.{form}"
    exported = [json.loads(line) for line in b"".join(export(project, "jsonl", choice)).splitlines()]
    assert [row["propagated_from"] for row in exported].count("item-0001") == 3
    fields = [item_fields(row) for row in exported]
    assert [row.get("label") for row in fields] == ["7", "7", None, None, None, None, None]
    assert fields[2]["text"] == "größer"
