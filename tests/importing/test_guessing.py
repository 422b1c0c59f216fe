"""Columns, encodings and delimiters are guessed by their names and contents."""

import gzip
import json
from contextlib import suppress
from pathlib import Path

import openpyxl
import pytest
from import_files import picture, rules, write, write_zip

from labeling import kinds
from labeling.intake.guessing import Guess, guess, guess_encoding
from labeling.intake.looking import LabelCounts, count_labels, first_rows
from labeling.intake.readers import UnreadableFile, open_source
from labeling.intake.readers.base import SourceFile
from tests.extent import some


def table(path: Path, header: str, *rows: str) -> Path:
    return write(path, "\n".join([header, *rows]))


def guessed(path: Path, kind: str = "text", question: str = "single") -> Guess:
    return guess(path, rules(kind, question), name=path.name)


def labels_of(path: Path, kind: str = "text", *, whole: bool = False) -> LabelCounts:
    with open_source(path, kind=kind) as source:
        return count_labels(source, rules(kind), whole=whole)


def encoding_of(path: Path) -> str:
    return guess_encoding(SourceFile(path, kinds.get("text"), path.name))


@pytest.mark.parametrize(
    ("header", "layout"),
    [
        ("id,text,label", {}),
        ("external_id,text,truth", {}),
        ("ticket_id,body,category", {"text_column": "body", "id_column": "ticket_id", "label_column": "category"}),
        ("Id,Text,Label", {"text_column": "Text", "id_column": "Id", "label_column": "Label"}),
        ("nr,message,Sentiment", {"text_column": "message", "id_column": "nr", "label_column": "Sentiment"}),
        ("a,b,c", {"text_column": "b", "id_column": "a", "label_column": "c"}),
    ],
)
def test_by_name_then_by_content(tmp_path, header, layout):
    rows = [f"{n},a rather long text number {n},{('cat', 'dog')[n % 2]}" for n in range(20)]
    found = guessed(table(tmp_path / "a.csv", header, *rows))
    expected = {**layout, "labels_as": "trusted"} if "label_column" in layout else layout
    assert found.layout.stored() == expected
    assert found.own is (not layout)


@pytest.mark.parametrize(
    ("header", "rows", "kind", "question", "layout"),
    [
        # not the project's classes: not trusted unseen
        ("id,text,source", ["1,a,mail", "2,b,web"] * 9, "text", "single", {"label": "source", "labels_as": "ignore"}),
        ("id,text,category,kind", ["1,one,cat,cat", "2,two,dog,dog"], "text", "single", {"leave_out": ("kind",)}),
        ("nr,x,y,class", ["a,1,2,cat", "b,3,4,dog"], "vector", "single", {"id": "nr", "label": "class"}),
        ("id,text,class", ["1,one,cat", "2,two,dog"], "text", "verify", {"label": ""}),
        # values that are classes tell more than a name
        (
            "nr,body,tags,kind",
            ["1,one,new,cat", "2,two,old,dog", "3,three,new,cat"],
            "text",
            "single",
            {"label": "kind"},
        ),
        (
            "nr,body,kind,topic",
            ["1,one,cat,cat", "2,two,dog,dog", "3,three,dog,cat"],
            "text",
            "single",
            {"label": "topic"},
        ),
    ],
)
def test_which_column_holds_labels(tmp_path, header, rows, kind, question, layout):
    found = guessed(table(tmp_path / "a.csv", header, *rows), kind, question).layout
    for name, value in layout.items():
        assert getattr(found, f"{name}_column" if name in ("id", "label") else name) == value


def test_columns_within_objects(tmp_path):
    row = {"key": "a", "message": {"body": "one", "lang": "en"}, "meta": {"topic": "cat"}}
    path = write(tmp_path / "a.jsonl", "\n".join(json.dumps({**row, "key": key}) for key in "abc"))
    found = guessed(path)
    assert found.columns == ("key", "message.body", "message.lang", "meta.topic")
    assert (found.layout.text_column, found.layout.label_column) == ("message.body", "meta.topic")


GERMAN = "Ticket;Nachricht\n7;Wo bleibt mein Päckchen? Grüße\n"


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        (GERMAN, "utf-8", ""),
        (GERMAN, "utf-8-sig", ""),
        ("id,text\n", "ascii", ""),
        (GERMAN, "utf-16", "utf-16"),
        (GERMAN, "utf-16-le", "utf-16"),
        (GERMAN, "latin-1", "cp1252"),
        (GERMAN, "cp1252", "cp1252"),
        ("id;text\n1;“naïve” café – 5 €\n", "cp1252", "cp1252"),
        ("id;text\n1;Где моя посылка? Спасибо большое\n", "cp1251", "cp1251"),
        ("id;text\n1;荷物はどこですか。ありがとうございます\n", "shift_jis", "shift_jis"),
        ("id,text\n" + "1,plain\n" * 20_000 + "2,schön und grün\n", "cp1252", "cp1252"),
    ],
)
def test_encodings(tmp_path, text, encoding, expected):
    assert encoding_of(write(tmp_path / "a.csv", text.encode(encoding))) == expected


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_and_encodings_of_plain_and_packed_files(tmp_path, delimiter):
    text = "Ticket;Nachricht;Kategorie\n7;Wo bleibt mein Päckchen? Grüße;cat\n8;Schön;dog\n9;Gut;cat\n"
    content = text.replace(";", delimiter).encode("latin-1")
    for path in (write(tmp_path / "a.csv.gz", gzip.compress(content)), write(tmp_path / "a.csv", content)):
        found = guessed(path)
        assert (found.layout.encoding, found.delimiter) == ("cp1252", delimiter)
        assert found.layout.label_column == "Kategorie"


def test_a_character_cut_at_the_end_of_the_look_is_utf8(tmp_path, monkeypatch):
    monkeypatch.setattr("labeling.intake.guessing._HEAD_BYTES", 11)
    assert encoding_of(write(tmp_path / "a.csv", "text\nschöne".encode())) == ""


def test_what_hugging_face_writes(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"img": datasets.Image(), "fine_label": datasets.ClassLabel(names=["dog", "cat"])})
    content = {"bytes": picture(), "path": "1.png"}
    data = datasets.Dataset.from_dict({"img": [content] * 6, "fine_label": [1, 0] * 3}, features=features)
    data.to_parquet(path := tmp_path / "a.parquet")
    found = guessed(path, "image")
    assert found.layout.stored() == {"media_column": "img", "label_column": "fine_label", "labels_as": "trusted"}
    with open_source(path, kind="image", layout=found.layout) as source:
        labels = [row.label for row in first_rows(source, rules("image"))]
    assert labels == ["cat", "dog", "cat", "dog", "cat"]


def test_a_workbook_and_blank_rows_which_decide_nothing(tmp_path):
    rows = [["Ticket_ID", "Nachricht", "Kategorie"], *([f"T{n}", f"Wo ist Paket {n}?", "cat"] for n in range(5))]
    rows[3:3] = [["", "", ""]]
    path = table(tmp_path / "a.csv", *(";".join(row) for row in rows), ";;")
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    for each, delimiter in ((path, ";"), (tmp_path / "a.xlsx", "")):
        found = guessed(each)
        columns = (found.layout.id_column, found.layout.text_column, found.layout.label_column)
        assert columns == ("Ticket_ID", "Nachricht", "Kategorie")
        assert (found.delimiter, found.layout.encoding) == (delimiter, "")


HOSTILE = [
    b"",
    b"\xff\xfe",
    b"\0" * 50,
    b"a,a\n1,2\n",
    b"\n\n\n",
    b'"',
    b"{",
    b"[" * 100_000,
    b"text\n" + b"x" * (2 << 20),
]


@pytest.mark.parametrize("suffix", some([".csv", ".json", ".jsonl", ".parquet", ".xlsx"], 3))
def test_hostile_files_are_refused_or_guessed_but_never_break(tmp_path, suffix):
    for content in HOSTILE:
        path = write(tmp_path / f"a{suffix}", content)
        with suppress(UnreadableFile):
            found = guessed(path)
            with open_source(path, kind="text", layout=found.layout) as source:
                first_rows(source, rules("text"))
                count_labels(source, rules("text"))


def test_deep_and_wide_objects_are_looked_into_within_limits(tmp_path):
    deep: object = "end"
    for _ in range(500):
        deep = {"a": deep}
    wide = {f"column {n}": n for n in range(5000)}
    path = write(tmp_path / "a.jsonl", json.dumps({"text": "one", "deep": deep}) + "\n" + json.dumps(wide))
    assert len(guessed(path).columns) <= 200


def test_a_look_counts_labels_names_unknown_ones_and_ends_within_limits(tmp_path, monkeypatch):
    rows = [f"{n},text,{('cat', 'dog', 'cow', '')[n % 4]}" for n in range(40)]
    path = table(tmp_path / "a.csv", "id,text,label", *rows)
    found = labels_of(path)
    assert (found.rows, found.labels, found.unlabeled, found.unknown, found.whole) == (40, 20, 10, {"cow": 10}, True)
    spelled = labels_of(table(tmp_path / "b.csv", "text,label", "one,Cat", "two,cow", "three,COW ", "four, cow"))
    assert (spelled.labels, spelled.unknown) == (1, {"cow": 3})
    assert spelled.spellings == {"cat": ["Cat"], "cow": ["COW"]}
    monkeypatch.setattr("labeling.intake.looking.ROWS", 10)
    assert labels_of(path).whole is False
    assert labels_of(path, whole=True).rows == 40


def test_the_folder_around_all_files_is_no_class(tmp_path):
    names = ["photos/cat/1.png", "photos/cow/2.png", "photos/3.png"]
    path = write_zip(tmp_path / "a.zip", {name: picture(color=n) for n, name in enumerate(names)})
    found = labels_of(path, "image")
    assert (found.labels, found.unknown, found.unlabeled) == (1, {"cow": 1}, 1)
