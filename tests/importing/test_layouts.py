"""Files in their authors' own form: other names of columns, encodings, delimiters, and Excel's workbooks."""

import datetime
import json
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from import_files import picture, rules, split, write, write_zip

from labeling.intake.checking import check_record
from labeling.intake.drafts import Draft, Rejection
from labeling.intake.readers import Layout, Limits, UnreadableFile, open_source
from labeling.intake.readers.layout import LayoutError
from tests.extent import combinations, some

GERMAN = "Ticket;Nachricht;Kategorie;Land\n7;Wo bleibt mein Päckchen?;cat;Österreich\n8;Schöne Grüße;dog;Deutschland\n"


def read(path: Path, kind: str = "text", **options: Any) -> list[Draft | Rejection]:
    with open_source(path, kind=kind, layout=Layout.read(options)) as source:
        return [check_record(record, rules(kind), source) for record in source.rows()]


def workbook(path: Path, rows: list[list[Any]], **settings: Any) -> Path:
    book = openpyxl.Workbook(**settings)
    for row in rows:
        book.active.append(row)
    book.create_sheet("Another").append(["text"])
    book.save(path)
    return path


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    combinations(["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le"], [";", "\t"])[::2],
)
def test_a_table_with_names_of_its_own(tmp_path, encoding, delimiter):
    path = write(tmp_path / "a.csv", GERMAN.replace(";", delimiter).encode(encoding))
    columns = {"text_column": "Nachricht", "id_column": "Ticket", "label_column": "Kategorie"}
    first, second = read(path, **columns, encoding=encoding, delimiter=delimiter)
    assert (first.external_id, first.labels.label) == ("7", "cat")
    assert first.data == {"text": "Wo bleibt mein Päckchen?", "Land": "Österreich"}
    assert second.data["text"] == "Schöne Grüße"


USES = {"trusted": "labels", "suggestions": "suggestion", "gold": "gold", "truth": "truth", "ignore": ""}


def answers_of(draft: Draft) -> dict[str, Any]:
    found = {name: getattr(draft, name) for name in ("labels", "suggestion", "gold", "truth")}
    return {name: getattr(answer, "label", answer) for name, answer in found.items() if answer is not None}


@pytest.mark.parametrize("labels_as", USES)
def test_labels_and_classes_that_folders_name_are_used_as_asked_and_shown_nowhere(tmp_path, labels_as):
    expected = {USES[labels_as]: "cat"} if USES[labels_as] else {}
    path = write(tmp_path / "a.csv", "id,text,Kategorie\na,one,cat\n")
    (draft,) = read(path, label_column="Kategorie", labels_as=labels_as)
    assert (answers_of(draft), draft.data) == (expected, {"text": "one"})
    (draft,) = read(path, leave_out="Kategorie")
    assert (answers_of(draft), draft.data) == ({}, {"text": "one"})
    answers = [{"annotator": "eva", "value": "cat"}]
    exported = {"external_id": "a", "data": {"text": "one"}, "label": "cat", "annotations": answers}
    (draft,) = read(write(tmp_path / "a.jsonl", json.dumps(exported)), labels_as=labels_as)
    assert answers_of(draft) == expected
    path = write_zip(tmp_path / "a.zip", {"pets/cat/1.png": picture(), "pets/scans/2.png": picture(color=9)})
    sorted_in, other = read(path, "image", labels_as=labels_as)
    assert (answers_of(sorted_in), answers_of(other)) == (expected, {})
    assert "cat" not in sorted_in.external_id + str(sorted_in.data)
    assert answers_of(read(path, "image")[0]) == {"truth": "cat"}


def test_a_column_within_an_object_is_taken_out_of_it(tmp_path):
    row = {"key": 5, "message": {"body": "one", "lang": "en"}, "meta": {"topic": "dog"}}
    columns = {"text_column": "message.body", "id_column": "key", "label_column": "meta.topic"}
    (draft,) = read(write(tmp_path / "a.jsonl", json.dumps(row)), **columns)
    assert (draft.external_id, draft.labels.label) == ("5", "dog")
    assert draft.data == {"text": "one", "message": {"lang": "en"}, "meta": {}}


def test_a_workbook_is_read_as_a_table(tmp_path):
    when = datetime.datetime(2026, 3, 1)
    rows = [
        [],
        ["Nr", "Text", "Kategorie", "Datum", "Wert", "ok"],
        [1, 'Grüße,\n"alle"', "cat", when, 2.5, True],
        [],
        [2.0, "=1+1", None, when.replace(hour=14), 3, None],
        [3, 12, "dog"],
        [4, "zu", "viele", "Zellen", 1, 1, "hier"],
    ]
    path = workbook(tmp_path / "a.xlsx", rows)
    results = read(path, text_column="Text", id_column="Nr", label_column="Kategorie")
    good, bad = split(results)
    assert [(draft.external_id, draft.data["text"]) for draft in good] == [("1", 'Grüße,\n"alle"'), ("3", "12")]
    assert good[0].data["Datum"] == "2026-03-01T00:00:00"  # another cell of the column has a time of day
    assert (good[0].data["Wert"], good[0].data["ok"]) == ("2.5", "true")
    # The formula has no stored value, because no spreadsheet program has saved this file.
    assert [(row.where, row.reason[:30]) for row in bad] == [
        ("row 5", 'Column "Text" is empty.'),
        ("row 7", "The row has 7 cells where the "),
    ]


@pytest.mark.long
def test_a_workbook_goes_on_where_it_was(tmp_path):
    path = workbook(tmp_path / "a.xlsx", [["id", "text"], *([n, f"text {n}"] if n % 3 else [] for n in range(30))])
    with open_source(path, kind="text") as source:
        every = list(source.records())
        assert [list(source.records(skip=n)) for n in (1, 7)] == [every[n:] for n in (1, 7)]
        assert source.estimate >= len(every) == 20


def edited(path: Path, member: str, change: Any) -> Path:
    """Return the workbook with one of its files changed."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files[member] = change(files[member])
    return write_zip(path, files)


SHEET = "xl/worksheets/sheet1.xml"


def changed(before: bytes, after: bytes) -> Any:
    """Return a function that changes the sheet of a workbook."""
    return lambda path: edited(path, SHEET, lambda xml: xml.replace(before, after))


HOSTILE = {
    "no zip": lambda path: write(path, b"PK\x03\x04 and no more"),
    "no workbook": lambda path: write_zip(path, {"a.txt": "a"}),
    "entities": lambda path: edited(path, SHEET, lambda xml: ENTITY + xml.replace(b"text 1", b"&x;")),
    "a bomb": lambda path: edited(path, SHEET, lambda xml: xml + b" " * (100 << 20)),
    "a row far below": changed(b'<row r="3"', b'<row r="99999999999"'),
    "far too many columns": changed(b'r="A1"', b'r="ZZZ1"'),
    "cut short": lambda path: edited(path, SHEET, lambda xml: xml[:-200]),
}
ENTITY = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("name", some(HOSTILE, 3))
def test_a_hostile_workbook_ends_with_one_clear_line(tmp_path, name):
    path = workbook(tmp_path / "a.xlsx", [["id", "text"], *([n, f"text {n}"] for n in range(50))], write_only=False)
    HOSTILE[name](path)
    seen = []

    def read_all() -> None:
        with open_source(path, kind="text") as source:
            seen.extend(source.records())

    with pytest.raises(UnreadableFile, match=r"^a\.xlsx") as caught:
        read_all()
    assert "\n" not in str(caught.value)
    assert "root:" not in str(seen)


def test_a_workbook_without_a_sheet_of_rows_is_refused_and_the_limits_of_rows_hold(tmp_path):
    with pytest.raises(UnreadableFile, match="the first sheet is empty"):
        open_source(workbook(tmp_path / "a.xlsx", []), kind="text")
    path = workbook(tmp_path / "a.xlsx", [["id", "text"], [1, "x" * 5000], [2, "short"]])
    with open_source(path, kind="text", limits=Limits(line=1000)) as source:
        first, second = source.records()
    assert "longer than 1,000 bytes" in first.problem
    assert second.where == "row 3"


def test_a_wrong_byte_costs_its_row_only(tmp_path):
    path = write(tmp_path / "a.csv", "text\nschön\n".encode("cp1252") + b"b\x81d\ngood\n")
    good, bad = split(read(path, encoding="windows-1252"))
    assert [draft.data["text"] for draft in good] == ["schön", "good"]
    assert bad[0].where == "line 3"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json"])
def test_a_large_file_in_another_encoding_is_read_in_pieces(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr("labeling.intake.readers.lines.CHUNK", 7)
    texts = [f"Größe {n} 𝄞" for n in range(40)]
    content = {
        ".csv": "text\n" + "\n".join(texts),
        ".jsonl": "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in texts),
        ".json": json.dumps([{"text": text} for text in texts], ensure_ascii=False),
    }[suffix]
    path = write(tmp_path / f"a{suffix}", content.encode("utf-16"))
    assert [draft.data["text"] for draft in read(path, encoding="UTF-16")] == texts


def test_a_column_that_is_not_there_is_named_and_numbers_that_are_the_id_are_no_part_of_a_vector(tmp_path):
    path = write(tmp_path / "a.csv", "nr,width,height,site\n1,2,3,9\n2,4,5,9\n")
    with pytest.raises(UnreadableFile, match=r'no column is called "boddy" .*"nr", "width"'):
        read(path, text_column="boddy")
    first, _ = read(path, "vector", id_column="nr", leave_out="site")
    assert (first.external_id, first.vector.tolist()) == ("1", [2, 3])


def test_a_layout_is_stored_and_read_back_and_others_are_refused():
    names = {"text_column": "a", "leave_out": " b , c,", "encoding": "Latin1"}
    layout = Layout.read({**names, "delimiter": "tab", "labels_as": "gold"})
    assert Layout.read(json.loads(json.dumps(layout.stored()))) == layout
    assert Layout().stored() == {}
    two = {"text_column": "a", "media_column": "b"}
    for options in ({"encoding": "klingon"}, {"delimiter": "x"}, {"labels_as": "maybe"}, two):
        with pytest.raises(LayoutError):
            Layout.read(options)
