"""Test that JSONL, CSV and Parquet have the same rows, that one line of code loads each, and that an export needs the
same memory at any size.
"""

import csv
import datetime
import io
import json
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq
import pytest
from factories import make_member, make_project
from hypothesis import given, settings
from hypothesis import strategies as st
from labeled import answer, answer_all, make_batch, make_items

from labeling.models import Project
from labeling.outgoing.exports import export
from labeling.outgoing.exports.columns import COLUMNS, compact
from labeling.outgoing.exports.writing import layout_for, schema_for
from labeling.outgoing.formats import DATASETS, FORMATS, TOOLS, Page
from labeling.outgoing.formats.csv import defused
from labeling.questions import named
from tests.extent import examples, some

QUESTIONS = ["single", "multi", "verify"]
# As docs/reference/export.md has it.
DOCUMENTED = r"^'('*(?:[\t\r\n]|[\s\u200b\u2060\ufeff]*[=+\-@＝＋－＠]))"

assert DOCUMENTED in (Path(__file__).parents[2] / "docs/reference/export.md").read_text(encoding="utf-8")

NUMBER = r"[+-]?[ (]*[.]?[0-9][0-9 .,/()-]*([eE][+-]?[0-9]+)?"  # also telephone numbers
FORMULAS = [
    " =1+1", "\u00a0+1", "\ufeff@x", "'\u3000＝1", "\u200b-2", "  'tis", "\n", " \t=", "=1+1", "+1", "-2", "@SUM(A1)",
    "\t=1", "\r=1", "'=1", "''-1", "'tis", "＝1", '=cmd|" /C calc"!A0', ",",
]  # fmt: skip
# Cs are halves of characters, which no import lets in; NUL likewise.
texts = st.one_of(
    st.sampled_from(FORMULAS), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(texts, children, max_size=3),
    max_leaves=5,
)
numbers = st.floats(0, 1)
times = st.datetimes(datetime.datetime(2000, 1, 1), datetime.datetime(2100, 1, 1), timezones=st.just(datetime.UTC))
ids = st.uuids().map(str)


def labels_of(question: str) -> st.SearchStrategy[Any]:
    return {"single": texts, "multi": st.lists(texts, max_size=3), "verify": st.booleans()}[question]


def rows_of(question: str) -> st.SearchStrategy[dict[str, Any]]:
    label = labels_of(question)
    common = {"id": ids, "annotator": texts, "seconds": numbers, "flagged": st.booleans(), "created_at": times}
    common |= {"guidelines_version": st.integers(0, 9), "batch": st.integers(1, 9), "prompted": st.booleans()}
    small = st.integers(0, 2**31 - 1)
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "integer": st.none() | small,
        "number": st.none() | numbers,
        "boolean": st.booleans(),
        "text": texts,
        "json": st.dictionaries(texts, json_values, max_size=3).map(lambda d: json.dumps(d, ensure_ascii=False)),
        "time": st.none() | times,
        "label": st.none() | label,
        "answers": st.lists(st.fixed_dictionaries({**common, "value": label}), max_size=2),
        "skips": st.lists(st.fixed_dictionaries({**common, "reason": texts}), max_size=2),
    }
    return st.fixed_dictionaries({name: kinds[column.kind] for name, column in COLUMNS.items()})


def written(name: str, pages: list[Page], question: str) -> bytes:
    return b"".join(FORMATS[name].write(pages, layout_for(named(question))))


def read_jsonl(content: bytes) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in content.decode().split("\n")[:-1]]
    return [same_json(row) for row in rows]


def same_json(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with its nested values as JSON text."""
    texts = {name: row[name] for name in ("data", "label_distribution") if row[name] is not None}
    values = {name: json.loads(text) if isinstance(text, str) else text for name, text in texts.items()}
    return {**row, **{name: json.dumps(value, sort_keys=True) for name, value in values.items()}}


def read_parquet(content: bytes) -> list[dict[str, Any]]:
    return as_json(pq.read_table(io.BytesIO(content)))


def read_arrow(content: bytes) -> list[dict[str, Any]]:
    return as_json(pa.ipc.open_stream(content).read_all())


def as_json(table: pa.Table) -> list[dict[str, Any]]:
    rows = table.to_pylist()
    plain = orjson.loads(orjson.dumps(rows, option=orjson.OPT_UTC_Z))
    return [same_json(row) for row in plain]


def read_csv(content: bytes, question: str) -> list[dict[str, Any]]:
    records = csv.DictReader(io.StringIO(content.decode(), newline=""))
    return [
        {name: from_cell(record[name], column.kind, question) for name, column in COLUMNS.items()} for record in records
    ]


def from_cell(cell: str, kind: str, question: str) -> Any:
    """Return the value of a CSV cell, as docs/reference/export.md defines it."""
    if kind == "label":
        kind = {"single": "text", "multi": "list", "verify": "boolean"}[question]
    if kind == "text":
        return re.sub(DOCUMENTED, r"\1", cell)
    if cell == "":
        return None
    if kind == "json":
        return json.dumps(json.loads(cell), sort_keys=True)
    return cell if kind == "time" else json.loads(cell)


def with_empty_texts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Replace None by empty texts, which CSV cannot tell apart."""
    return [{key: "" if value is None and key in TEXTS else value for key, value in row.items()} for row in rows]


TEXTS = {"external_id", "media", "proposed", "prompted_by", "corrected_by", "propagated_from"}


@pytest.mark.parametrize("question", some(QUESTIONS, 2))
@settings(deadline=None, max_examples=examples(60))
@given(data=st.data())
def test_the_formats_agree_to_the_row(question: str, data: st.DataObject) -> None:
    pages = data.draw(st.lists(st.lists(rows_of(question), min_size=1, max_size=3), max_size=3))
    from_jsonl = read_jsonl(written("jsonl", pages, question))
    assert len(from_jsonl) == sum(len(page) for page in pages)
    assert read_parquet(written("parquet", pages, question)) == from_jsonl
    assert read_arrow(written("arrow", pages, question)) == from_jsonl
    expected = with_empty_texts(from_jsonl)
    if question == "single":
        expected = [{**row, "label": row["label"] or ""} for row in expected]
    assert read_csv(written("csv", pages, question), question) == expected


@settings(deadline=None, max_examples=examples(100))
@given(rows=st.lists(rows_of("single"), min_size=1, max_size=3))
def test_no_csv_cell_starts_a_formula(rows: list[dict[str, Any]]) -> None:
    content = written("csv", [rows], "single").decode()
    for cells in csv.reader(io.StringIO(content, newline="")):
        for cell in cells:
            assert cell[:1] not in set("\t\r\n")
            shown = cell.strip().strip("\u200b\u2060\ufeff").strip()
            assert shown[:1] not in set("=+-@＝＋－＠") or re.fullmatch(NUMBER, cell), cell


def test_a_number_keeps_its_sign_in_csv_and_other_texts_with_a_sign_are_guarded() -> None:
    for text in ("-1", "+3.5e-7", "-.5", "+49 (221) 12-34", "-1,5"):
        assert defused(text) == text
        assert defused(f"'{text}") == f"''{text}"  # an import removes one apostrophe
    for text in ("=1", "@1", "-1+A1", "+cmd|x", "-1x", "--1", "-", "-1\n=2", "\u200b-1"):
        assert defused(text) == f"'{text}"


def test_nothing_labeled_gives_empty_files_that_load_typed_by_the_question() -> None:
    types = {}
    for question in QUESTIONS:
        assert written("jsonl", [], question) == b""
        assert written("csv", [], question).decode().split(",")[:2] == ["item", "external_id"]
        table = pq.read_table(io.BytesIO(written("parquet", [], question)))
        assert table.num_rows == 0
        assert table.schema.equals(schema_for(named(question)))
        assert pa.ipc.open_stream(written("arrow", [], question)).read_all().schema.equals(table.schema)
        value = table.schema.field("annotations").type.value_type.field("value").type
        types[question] = table.schema.field("label").type
        assert value == types[question]
    assert types == {"single": pa.string(), "multi": pa.list_(pa.string()), "verify": pa.bool_()}


def test_parquet_gathers_pages_into_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling.outgoing.formats.typed.GROUP_ROWS", 4)
    row = dict.fromkeys(COLUMNS) | {"annotations": [], "skips": []}
    content = written("parquet", [[row, row]] * 5, "single")
    metadata = pq.ParquetFile(io.BytesIO(content)).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [4, 4, 2]


@pytest.mark.django_db
def test_the_first_bytes_come_before_the_first_rows_are_read() -> None:
    project = make_project(kind="text", classes=["cat", "dog"])
    answer(make_batch(project, make_items(project, 2)), make_member(project, "ann"), [0, 1])
    for name in ("csv", "parquet", "huggingface", "webdataset", "croissant", "label-studio"):
        read: list[int] = []
        chunks = export(project, name, progress=read.append)
        assert (bool(next(chunks)), read) == (True, []), name
        assert (len(list(chunks)) > 0, sum(read)) == (True, 2), name


def test_an_arrow_stream_has_each_page_before_the_next_is_read() -> None:
    row = dict.fromkeys(COLUMNS) | {"annotations": [], "skips": []}
    read: list[int] = []

    def pages() -> Iterator[Page]:
        for number in range(3):
            read.append(number)
            yield [{**row, "item": number}] * 2

    chunks = FORMATS["arrow"].write(pages(), layout_for(named("single")))
    stream = pa.ipc.open_stream(next(chunks))
    assert stream.schema == schema_for(named("single"))
    assert (read, stream.read_next_batch()["item"].to_pylist()) == ([0], [0, 0])


@pytest.mark.django_db
def test_from_the_database_the_formats_agree_too_and_load_with_one_line_of_pyarrow(tmp_path: Path) -> None:
    """Also unusual texts and class names."""
    project = make_project(classes=["=1+1", "naïve, 猫", '"quoted"'])
    # No new class may have a line break in its name; those of older projects may.
    project.classes.filter(index=2).update(name='"quoted"\nname')
    items = make_items(project, 30)
    for item in items:
        item.data = {"text": f"=x\n{item.row}\t\"'é\u2028", "big": 10**30}
        item.save(update_fields=["data"])
    answer(make_batch(project, items), make_member(project, "ann"), [row % 3 for row in range(29)])
    content = {name: b"".join(export(project, name)) for name in FORMATS}
    from_jsonl = read_jsonl(content["jsonl"])
    assert len(from_jsonl) == project.items.labeled().count() == 29
    assert read_parquet(content["parquet"]) == from_jsonl
    assert read_arrow(content["arrow"]) == from_jsonl
    assert read_csv(content["csv"], "single") == with_empty_texts(from_jsonl)
    paths = {name: tmp_path / f"labels.{name}" for name in FORMATS}
    for name, path in paths.items():
        path.write_bytes(content[name])
    tables = [
        pa.json.read_json(paths["jsonl"]),
        pa.csv.read_csv(paths["csv"], parse_options=pa.csv.ParseOptions(newlines_in_values=True)),
        pq.read_table(paths["parquet"]),
    ]
    for table in tables:
        assert table.column_names == list(COLUMNS)
        assert table["external_id"].to_pylist() == [f"item-{row:04}" for row in range(29)]
    assert tables[0]["label"].to_pylist() == tables[2]["label"].to_pylist()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


def slowly(text: str) -> str:
    return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))


@settings(deadline=None, max_examples=examples(500))
@given(value=values, as_ascii=st.booleans())
def test_any_value_is_written_as_before(value: Any, as_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=as_ascii)
    assert compact(text) == slowly(text)


def test_where_the_libraries_differ() -> None:
    for text in (
        "1e16",
        "9999999999999998.0",
        "0.0001",
        "0.00001",
        "-0.0",
        "-0",
        "18446744073709551616",
        '{"a": [1.0, {"b": 1e400}]}',
        '{"a": 1, "b": 2, "a": 3}',
        '"\\ud83d\\ude00 \\u0000 \\u001f \\u007f \\u2028"',
        "[" * 300 + "]" * 300,
    ):
        assert compact(text) == slowly(text)


TINY, SMALL, LARGE = 10, 1_000, 3_000


def labeled_project(slug: str, size: int) -> Project:
    project = make_project(slug)
    batch = make_batch(project, make_items(project, size, data={"text": "lorem ipsum " * 100}))
    answer_all(batch, make_member(project, "ann"), 1)
    return project


def peak_bytes(project: Project, format_name: str) -> tuple[int, int]:
    """Return the peak memory of Python, and of Arrow after a chunk, during the export."""
    arrow = 0
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    for _ in export(project, format_name):
        arrow = max(arrow, pa.total_allocated_bytes() - before)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, arrow


@pytest.mark.django_db
@pytest.mark.long
def test_memory_is_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling.outgoing.formats.typed.GROUP_ROWS", 500)
    monkeypatch.setattr("labeling.outgoing.formats.shards.SHARD_BYTES", 100_000)
    tiny, small, large = (labeled_project(f"of-{size}", size) for size in (TINY, SMALL, LARGE))
    for name in (*FORMATS, *DATASETS, *TOOLS):
        for _ in export(tiny, name):  # what is loaded once does not count
            pass
        few, few_arrow = peak_bytes(small, name)
        many, many_arrow = peak_bytes(large, name)
        assert many < 1.3 * few + 200_000, name
        assert many_arrow < 1.3 * few_arrow + 200_000, name


@pytest.mark.django_db
def test_nothing_is_read_before_it_is_asked_for(django_assert_num_queries: object) -> None:
    project = labeled_project("large", 600)
    with django_assert_num_queries(8):  # type: ignore[operator]
        chunks = export(project, "jsonl")
        assert next(chunks).count(b"\n") == 500
