"""Test certified labels in exports: on request, after people's labels, with certificate, probability and version."""

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bringing import bring_all, empty_like
from django.core.management import call_command
from django.utils import timezone
from factories import certify, make_member, make_project
from labeled import answer, make_batch, make_items, train

from labeling.models import Certificate, Item, Project
from labeling.outgoing.exports import choose, count_rows, export
from labeling.outgoing.exports.columns import COLUMNS
from labeling.outgoing.exports.rows import pages

pytestmark = pytest.mark.django_db


def certified(kind: str = "text", **fields: Any) -> Project:
    """Create a project with two labels by ann, an item that all skipped, and three certified labels, by version 1."""
    project = make_project(kind=kind, classes=["cat", "dog"])
    items = make_items(project, 6, data={"n": 10**30, "text": "größer"}, **fields)
    batch = make_batch(project, items[:3])
    answer(batch, make_member(project, "ann"), [0, 1, "skip"])
    certify(project, dict.fromkeys(items[3:], 1), version=train(batch))
    return project


def rows(project: Project, size: int = 2, **filters: str) -> list[dict[str, Any]]:
    choice = choose(project, filters)
    found = [row for page in pages(project, choice, size=size) for row in page]
    assert count_rows(project, choice) == len(found)
    return found


def content(project: Project, form: str, **filters: str) -> bytes:
    return b"".join(export(project, form, choose(project, {"certified": "true", **filters})))


def test_they_come_last_where_they_are_asked_for() -> None:
    project = certified()
    assert [(row["external_id"], row["origin"]) for row in rows(project)] == [
        ("item-0000", "person"),
        ("item-0001", "person"),
    ]
    with_certified = rows(project, certified="true")
    assert [row["external_id"] for row in with_certified] == [f"item-000{n}" for n in (0, 1, 3, 4, 5)]
    row, certificate = with_certified[2], project.certificates.get()
    assert list(row) == list(COLUMNS)
    assert {name: value for name, value in row.items() if value not in (None, False, [])} == {
        "item": project.items.get(external_id="item-0003").pk,
        "external_id": "item-0003",
        "data": '{"n":1000000000000000000000000000000,"text":"größer"}',
        "label": "dog",
        "model_version": 1,
        "labeled_at": certificate.issued_at,
        "origin": "certified",
        "certificate": 1,
        "certified_probability": 0.97,
        "source": "",
    }


def test_suspended_corrected_and_excluded_ones_are_no_rows() -> None:
    project = certified()
    Item.objects.filter(external_id="item-0003").update(label=0, labeled_at=timezone.now())
    Item.objects.filter(external_id="item-0004").update(excluded_at=timezone.now())
    assert [row["external_id"] for row in rows(project, certified="true")][2:] == ["item-0005"]
    assert len(rows(project, certified="true", excluded="true")) == 3
    Certificate.objects.update(suspended_at=timezone.now(), suspended_for="Classes were merged.")
    assert len(rows(project, certified="true")) == 2


def test_an_item_with_a_task_has_one_row_with_its_answers_and_its_certified_label() -> None:
    project = certified()
    certify(project, {project.items.get(external_id="item-0002"): 0}, version=project.versions.get())
    found = rows(project, certified="true", skipped="true")
    assert [row["external_id"] for row in found] == [f"item-000{n}" for n in (0, 1, 2, 3, 4, 5)]
    assert (found[2]["label"], found[2]["origin"], found[2]["certificate"], len(found[2]["skips"])) == (
        "cat", "certified", 2, 1,
    )  # fmt: skip
    assert rows(project, certified="true") == found
    [skipped] = [row for row in rows(project, skipped="true") if row["skips"]]
    assert (skipped["label"], skipped["origin"], skipped["certificate"]) == (None, None, None)


def test_filters_hold_for_them_too() -> None:
    project = certified()
    Certificate.objects.update(issued_at="2026-03-01T12:00Z")
    for filters, n in (
        ({"control": "only"}, 0),
        ({"control": "without"}, 3),
        ({"agreement": "0"}, 0),
        ({"batch": "1"}, 0),
        ({"since": "2026-03-01"}, 3),
        ({"since": "2026-03-02"}, 0),
        ({"until": "2026-03-01"}, 3),
        ({"until": "2026-02-28"}, 0),
        ({"unresolved": "true", "copies": "true"}, 3),
    ):
        found = rows(project, certified="true", **filters)
        assert [row["origin"] for row in found].count("certified") == n, filters
    for form in ("csv", "huggingface"):
        assert content(project, form, columns="short", control="only"), "filters may leave none"


def test_a_page_of_them_takes_two_queries(django_assert_num_queries: Any) -> None:
    project = certified()
    certify(project, dict.fromkeys(make_items(project, 8), 0), version=project.versions.get())
    # of the batch, certificates, pages, the end
    for size, queries in ((2, 5 + 4 + 1 + 6 * 2 + 1), (100, 5 + 3 + 1 + 2 + 1)):
        with django_assert_num_queries(queries):
            assert sum(map(len, pages(project, choose(project, {"certified": "1"}), size=size))) == 2 + 11


def test_every_format_and_the_command_have_their_origin(tmp_path: Path) -> None:
    project = certified()
    Item.objects.filter(external_id="item-0004").update(data={"text": "A.", "only here": "yes"})
    origins = ["person", "person", "certified", "certified", "certified"]
    assert [json.loads(line)["origin"] for line in content(project, "jsonl").splitlines()] == origins
    table = pq.read_table(io.BytesIO(content(project, "parquet")))
    assert table == pa.ipc.open_stream(content(project, "arrow")).read_all()
    assert table["origin"].to_pylist() == origins
    assert table["certified_probability"].to_pylist() == [None, None, 0.97, 0.97, 0.97]
    full = list(csv.DictReader(io.StringIO(content(project, "csv").decode())))
    assert [(row["origin"], row["certificate"]) for row in full] == [
        (origin, "1" if origin == "certified" else "") for origin in origins
    ]
    short = list(csv.DictReader(io.StringIO(content(project, "csv", columns="short").decode("utf-8-sig"))))
    assert [(row["label"], row["labeled_by"], row["origin"]) for row in short[1:3]] == [
        ("dog", "ann", "person"),
        ("dog", "certificate 1", "certified"),
    ]
    assert [row["only here"] for row in short] == ["", "", "", "yes", ""]
    call_command("export_labels", project.slug, certified=True, output=str(tmp_path / "labels.parquet"))
    assert pq.read_table(tmp_path / "labels.parquet")["origin"].to_pylist() == origins


def test_files_with_certified_labels_have_folders_of_their_own() -> None:
    project = certified(kind="image")
    names = zipfile.ZipFile(io.BytesIO(content(project, "zip"))).namelist()
    assert [name.startswith("certified/") for name in names] == [False, False, True, True, True]
    assert {name.split("/")[2] for name in names[2:]} == {"dog"}


@pytest.mark.parametrize(("form", "columns"), [("jsonl", "full"), ("csv", "short")])
def test_imported_again_they_are_suggestions(form: str, columns: str, tmp_path: Path) -> None:
    first = certified()
    path = tmp_path / f"labels.{form}"
    path.write_bytes(content(first, form, columns=columns))
    second = empty_like(first)
    bring_all(second, path)
    found = {item.external_id: (item.label, item.suggestion) for item in second.items.all()}
    people = {"item-0000": (0, None), "item-0001": (1, None)}
    assert found == people | {f"item-000{n}": (None, 1) for n in (3, 4, 5)}
    assert {frozenset(item.data) for item in second.items.all()} == {frozenset({"n", "text"})}
