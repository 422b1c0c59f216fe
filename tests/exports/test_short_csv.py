"""Test the short CSV: few columns that people can use in spreadsheets and pandas, and that can be imported again."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from bringing import bring_all, empty_like
from django.core.management import call_command
from factories import make_member, make_project
from labeled import answer, make_batch, make_items
from pages import member

from labeling.labels.corrections import correct
from labeling.models import Annotation, Item, Project, Role
from labeling.outgoing.exports import choose, export

pytestmark = pytest.mark.django_db

URL = "/api/v1/projects/digits/export/?format=csv&columns=short"
FIXED = ["label", "labeled_by", "labeled_at", "origin"]


def labeled(classes: list[str], values: list[Any], data: list[dict[str, Any]], **fields: Any) -> Project:
    """Create a project whose items have these fields and the labels of `values`, given by ann."""
    project = make_project(classes=classes, **fields)
    items = make_items(project, len(data))
    for item, each in zip(items, data, strict=True):
        Item.objects.filter(pk=item.pk).update(data=each)
    answer(make_batch(project, items), make_member(project, "ann"), values)
    return project


def short(project: Project, **filters: str) -> bytes:
    return b"".join(export(project, "csv", choose(project, {"columns": "short", **filters})))


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@pytest.fixture
def texts() -> Project:
    data = [
        {"text": "Schöne Grüße, 猫", "score": 2.5, "ticket": "007", "tags": ["a", "b"]},
        {"text": "=1+1", "score": -3, "ticket": "-5"},
        {"text": 'two\nlines, "quoted"', "label": "mine"},
    ]
    return labeled(["0", "naïve"], [0, 1, 0], data)


def test_it_has_the_text_the_imported_fields_the_label_who_and_when(texts: Project) -> None:
    rows = table(short(texts))
    assert list(rows[0]) == ["external_id", "text", "score", "ticket", "imported_label", "tags", *FIXED]
    assert [row["text"] for row in rows] == ["Schöne Grüße, 猫", "'=1+1", 'two\nlines, "quoted"']
    assert [row["score"] for row in rows] == ["2.5", "-3", ""]
    assert [row["ticket"] for row in rows] == ["007", "-5", ""]
    assert [row["imported_label"] for row in rows] == ["", "", "mine"]
    assert json.loads(rows[0]["tags"]) == ["a", "b"]
    assert [row["label"] for row in rows] == ["0", "naïve", "0"]
    assert {(row["labeled_by"], row["origin"]) for row in rows} == {("ann", "person")}
    at = texts.items.get(external_id="item-0000").labeled_at
    assert at is not None
    assert rows[0]["labeled_at"] == f"{at:%Y-%m-%d %H:%M:%S}"


def test_no_two_columns_have_the_same_name() -> None:
    data = [{"text": "A.", "label": "x", "imported_label": "y", "external_id": "z"}]
    [row] = table(short(labeled(["0", "1"], [1], data)))
    assert (row["external_id"], row["label"], row["imported_external_id"]) == ("item-0000", "1", "z")
    assert {row["imported_label"], row["imported_imported_label"]} == {"x", "y"}


def test_spreadsheets_take_it_for_utf_8_and_pandas_reads_the_labels_as_texts(texts: Project) -> None:
    content = short(texts)
    assert content.startswith(b"\xef\xbb\xbf" + b'"external_id","text","score"')
    assert '"Schöne Grüße, 猫",2.5,"007"'.encode() in content
    assert b',"0","ann","20' in content
    rows = pd.read_csv(io.BytesIO(content), dtype={"external_id": str, "label": str}, keep_default_na=False)
    assert rows.columns[0] == "external_id"
    assert rows.label.tolist() == ["0", "naïve", "0"]
    assert rows.text[0] == "Schöne Grüße, 猫"


def test_who_gave_a_label_however_it_came(texts: Project) -> None:
    Annotation.objects.update(seconds=0)
    assert {row["labeled_by"] for row in table(short(texts))} == {"ann"}, "also without a duration"
    max_ = make_member(texts, "max", Role.MANAGER)
    correct(item=texts.items.get(external_id="item-0000"), user=max_, value=1)
    row = table(short(texts))[0]
    assert (row["label"], row["labeled_by"], row["origin"]) == ("naïve", "max", "corrected")


@pytest.mark.parametrize(
    ("question", "value", "label"),
    [
        ("multi", [0, 1], "cat | dog"),
        ("multi", [1], "dog"),
        ("multi", [], "[]"),
        ("multi", [0, 2], '["cat", "a|b"]'),
        ("verify", True, "yes"),
        ("verify", False, "no"),
    ],
)
def test_labels_of_each_question_are_read_by_people_and_by_imports(
    question: str, value: Any, label: str, tmp_path: Path
) -> None:
    project = labeled(["cat", "dog", "a|b"], [value], [{"text": "A."}], question=question)
    content = short(project)
    [row] = table(content)
    assert row["label"] == label
    assert ("class" in row) == (question == "verify")
    [item] = imported_again(project, content, tmp_path)
    assert item.label == value


def imported_again(first: Project, content: bytes, tmp_path: Path) -> list[Item]:
    """Import the file into an empty project with the same classes, and return its items by id."""
    second = empty_like(first)
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    bring_all(second, path)
    return list(second.items.order_by("external_id"))


@pytest.mark.parametrize("origin", ["person", "a web site"])
def test_it_is_imported_again_with_its_labels_and_without_who_gave_them(
    texts: Project, origin: str, tmp_path: Path
) -> None:
    items = imported_again(texts, short(texts).replace(b'"person"', f'"{origin}"'.encode()), tmp_path)
    assert [(item.external_id, item.label) for item in items] == [("item-0000", 0), ("item-0001", 1), ("item-0002", 0)]
    if origin != "person":  # a field called like that, of an earlier version
        assert {item.data["origin"] for item in items} == {origin}
        return
    assert items[1].data["text"] == "=1+1"
    assert items[1].data["ticket"] == "-5"
    assert not {"labeled_by", "labeled_at", "origin"} & {name for item in items for name in item.data}
    rows = table(short(items[0].project))
    assert {(row["labeled_by"], row["origin"]) for row in rows} == {("", "imported")}


@pytest.mark.parametrize("columns", ["short", "full"])
def test_cells_may_end_with_semicolons(texts: Project, columns: str, tmp_path: Path) -> None:
    content = b"".join(export(texts, "csv", choose(texts, {"columns": columns, "delimiter": "semicolon"})))
    assert content.startswith(b"\xef\xbb\xbf")
    assert b'";"' in content
    rows = pd.read_csv(io.BytesIO(content), sep=";", dtype=str, keep_default_na=False)
    assert rows.label.tolist() == ["0", "naïve", "0"]
    items = imported_again(texts, content, tmp_path)
    assert [(item.data["text"], item.label) for item in items][1] == ("=1+1", 1)


def test_filters_other_formats_and_projects_without_labels(texts: Project) -> None:
    assert list(export(texts, "jsonl", choose(texts, {"columns": "short"}))) == list(export(texts, "jsonl"))
    Item.objects.filter(external_id="item-0001").update(excluded_at="2026-01-01T00:00Z")
    assert [row["external_id"] for row in table(short(texts))] == ["item-0000", "item-0002"]
    assert len(table(short(texts, excluded="yes"))) == 3
    assert short(make_project("empty")).decode("utf-8-sig") == (
        '"external_id","text","label","labeled_by","labeled_at","origin"\r\n'
    )


def test_the_api_and_the_command_have_it_on_request_and_all_columns_otherwise(texts: Project, tmp_path: Path) -> None:
    client = member(texts, Role.ENGINEER)
    few = b"".join(client.get(URL).streaming_content)  # type: ignore[attr-defined]
    assert few == short(texts)
    path = tmp_path / "labels.csv"
    call_command("export_labels", "digits", "--output", str(path), "--columns", "short")
    assert path.read_bytes() == few
    every = b"".join(client.get(URL.replace("&columns=short", "")).streaming_content)  # type: ignore[attr-defined]
    assert every.startswith(b"item,external_id,source,data,")
    call_command("export_labels", "digits", "--output", str(path))
    assert path.read_bytes() == every
    refused = client.get(f"{URL.replace('short', 'few')}&delimiter=tab")
    assert refused.status_code == 400
    assert refused.json()["fields"] == {
        "columns": ["'few' is not valid. Enter full or short."],
        "delimiter": ["'tab' is not valid. Enter comma or semicolon."],
    }


def test_the_page_offers_the_short_one_first(texts: Project) -> None:
    client = member(texts, Role.ENGINEER)
    page = client.get("/p/digits/export/?format=csv&batch=1")
    assert page["Location"] == "/api/v1/projects/digits/export/?format=csv&batch=1&columns=short"
    page = client.get("/p/digits/export/?format=csv&columns=full")
    assert page["Location"] == "/api/v1/projects/digits/export/?format=csv&columns=full&delimiter=comma"
    every = b"".join(client.get(page["Location"]).streaming_content)  # type: ignore[attr-defined]
    assert every.startswith(b'\xef\xbb\xbf"item","external_id"')
    page = client.get("/p/digits/export/?format=csv&delimiter=semicolon")
    assert page["Location"] == "/api/v1/projects/digits/export/?format=csv&delimiter=semicolon&columns=short"
    short_one = client.get(client.get("/p/digits/export/?format=csv")["Location"])
    assert short_one["Content-Disposition"] == 'attachment; filename="digits-labels.csv"'


@pytest.mark.parametrize(
    ("source", "external_id", "name"),
    [("cats/a b.PNG", "a b-12345678", "cats/a b.PNG"), ("row 3", "x.jpg", "x.jpg"), ("row 3", "x", "x.png")],
)
def test_files_have_the_names_that_they_were_imported_with(source: str, external_id: str, name: str) -> None:
    project = make_project(kind="image", classes=["cat", "dog"])
    items = make_items(project, 1)
    Item.objects.update(source=source, external_id=external_id, media="1/images/ab/abc.png")
    answer(make_batch(project, items), make_member(project, "ann"), [1])
    [row] = table(short(project))
    assert list(row)[:2] == ["external_id", "file_name"]
    assert row["file_name"] == name
