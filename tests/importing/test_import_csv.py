"""Test the import of CSV and TSV files."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_files import checked, picture, read, rules, split, write

from labeling.intake.readers import Limits, UnreadableFile
from tests.extent import combinations, examples


def texts(path: Path) -> list[str]:
    return [record.fields["text"] if record.fields else f"! {record.problem}" for record in read(path, "text")]


def test_columns_become_an_item(tmp_path):
    path = write(tmp_path / "a.csv", "id,text,truth,source\n7,Hello there,cat,mail\n,Bye,,web\n")
    first, second = checked(path, rules("text"))
    assert (first.external_id, first.truth) == ("7", "cat")
    assert first.data == {"text": "Hello there", "source": "mail"}
    assert (second.external_id, second.truth) == ("a.csv:3", None)


@pytest.mark.parametrize(
    ("delimiter", "end", "mark"), combinations([",", ";", "\t"], ["\n", "\r\n", "\r"], ["", "\ufeff"])
)
def test_delimiter_line_ends_and_mark_are_found_out(tmp_path, delimiter, end, mark):
    rows = [["id", "text"], ["1", "one"], ["2", "två"]]
    path = write(tmp_path / "a.csv", mark + end.join(delimiter.join(row) for row in rows))
    assert [[*record.fields.values()] for record in read(path, "text")] == rows[1:]


@pytest.mark.parametrize(
    ("content", "good", "bad"),
    [
        # Line ends may be mixed, and blank lines are no rows.
        ("text,x\none,1\r\ntwo,2\rthree,3\n\n\r\nfour,4", {2: "one", 3: "two", 4: "three", 7: "four"}, {}),
        ('text,x\n"a, ""b""\r\nc",1\nplain 5" pipe,2\n', {2: 'a, "b"\r\nc', 4: 'plain 5" pipe'}, {}),
        (
            "id,text\n1,one\n2\n3,three,more\n4,four\n",
            {2: "one", 5: "four"},
            {3: "has 1 cell", 4: "has 3 cells where the header has 2 columns"},
        ),
        (
            b'text,x\none,1\ncaf\xe9,2\n"thr\xff\nee",3\nfour,4\nt\0wo,2\nfive,5\n',
            {2: "one", 6: "four", 8: "five"},
            {3: "not UTF-8 (byte 0xE9 at position 4)", 4: "not UTF-8", 7: "NUL"},
        ),
        *(
            (
                f'text,x\none,1\n{stray}\nthree,3\n"fo,ur",4\nfive,5\n',
                {2: "one", 4: "three", 5: "fo,ur", 6: "five"},
                {3: "quotation mark"},
            )
            for stray in ('"never closed,2', '"closed" too early,2')
        ),
    ],
)
def test_a_bad_row_costs_itself_only(tmp_path, content, good, bad):
    path = write(tmp_path / "a.csv", content)
    places = {int(record.where.removeprefix("line ")): record for record in read(path, "text")}
    drafts, rejected = split(checked(path, rules("text")))
    assert [draft.data["text"] for draft in drafts] == list(good.values())
    assert [row.where for row in rejected] == [f"line {line}" for line in bad]
    assert sorted(places) == sorted([*good, *bad])
    for row, reason in zip(rejected, bad.values(), strict=True):
        assert reason in row.reason
        assert "\0" not in row.excerpt


def test_odd_cells_are_text_like_any_other(tmp_path):
    long = "x" * 500_000  # more than the csv module takes by default
    for head, cells in (("text", ["one; two", "three"]), ("text,x", ["=1+1", "@SUM(A1)", long])):
        rows = [cell + ",1" * head.count(",") for cell in cells]
        assert texts(write(tmp_path / "a.csv", "\n".join([head, *rows]))) == cells


@pytest.mark.parametrize("cell", ["y" * 5000, '"' + "\n".join(['many lines, this ""one"" too'] * 100) + '"'])
def test_a_line_or_a_quoted_cell_that_is_too_long_costs_its_row_only(tmp_path, cell):
    records = read(write(tmp_path / "a.csv", f"text,x\none,1\n{cell},2\nthree,3\n"), "text", limits=Limits(line=1000))
    assert [record.problem for record in records] == ["", "the row is longer than 1,000 bytes", ""]
    assert [record.where for record in records] == ["line 2", "line 3", f"line {4 + cell.count(chr(10))}"]
    assert records[1].excerpt.startswith(cell[:20].replace("\n", " "))
    assert len(records[1].excerpt) <= 200
    assert records[2].fields["text"] == "three"


def test_a_file_of_stray_quotation_marks_is_read_in_linear_time(tmp_path):
    path = write(tmp_path / "a.csv", "text,x\n" + 'x","\n' * 50_000)
    records = read(path, "text", limits=Limits(line=2000))
    assert records
    assert all(record.problem for record in records)


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
CELLS |= st.text('",;\n\r x', max_size=8)


@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1), end=st.sampled_from(["\n", "\r\n", "\r"]))
@settings(max_examples=examples(200), deadline=None)
def test_what_a_csv_writer_writes_is_read_back(tmp_path_factory, rows, end):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([("text", "x"), *rows])
    assert [tuple(record.fields.values()) for record in read(path, "text")] == rows


@given(soup=st.text('",\n\rax', max_size=200), chunk=st.sampled_from([1, 3, 10]))
@settings(max_examples=examples(200), deadline=None)
def test_any_soup_is_read_to_its_end_the_same_wherever_the_chunks_end(tmp_path_factory, soup, chunk):
    path = write(tmp_path_factory.mktemp("csv") / "a.csv", "text,x\n" + soup + "\nlast,1\n")
    limits = Limits(line=30)
    records = read(path, "text", limits=limits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("labeling.intake.readers.lines.CHUNK", chunk)
        assert read(path, "text", limits=limits) == records
    lines = [int(record.where.removeprefix("line ")) for record in records]
    assert lines == sorted(set(lines))
    if '"' not in soup:
        assert records[-1].fields == {"text": "last", "x": "1"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the file is empty"),
        (b"\n\r\n  \n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        ("text\nhällo".encode("utf-16"), "is in UTF-16: save it as UTF-8"),
        ("text\nhällo".encode("utf-32"), "is in UTF-32: save it as UTF-8"),
        ("text\nhallo".encode("utf-16-le"), "save it as UTF-8"),
        (b"te\xffxt,a\n1,2\n", "line 1: the header is not UTF-8"),
        (b"text,text\n1,2\n", 'two columns are called "text"'),
        (b",text\n1,2\n", "column 1 has no name"),
        (b'text,"x\n1,2\n', "line 1: the header opens a quotation mark that is never closed"),
        (b"a,b\n1,2\n", 'no column is called "text" (there are "a", "b")'),
        (b"a" * 2_000_000, "the header is longer than 1 MiB"),
    ],
)
def test_a_file_that_is_of_no_use_is_refused_in_one_line(tmp_path, content, complaint):
    with pytest.raises(UnreadableFile, match=r"^a\.csv") as raised:
        read(write(tmp_path / "a.csv", content), "text")
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_numeric_columns_are_the_vector_and_keep_their_names(tmp_path):
    path = write(tmp_path / "a.csv", "id,width,name,height,truth\na,1,Ann,2.5,cat\nb,3e1,Bob,4,dog\n")
    first, second = checked(path, rules("vector"))
    assert first.vector.dtype == np.float32
    assert first.vector.tolist() == [1, 2.5]
    assert first.data == {"width": 1, "height": 2.5, "name": "Ann"}
    assert second.vector.tolist() == [30, 4]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("nan", 'Column "y" is NaN.'),
        ("inf", 'Column "y" is infinite or too large.'),
        ("1e300", 'Column "y" is infinite or too large.'),
        ("", 'Column "y" is empty.'),
        ("abc", 'Column "y" holds "abc", which is not a number.'),
        ("1_0", 'Column "y" holds "1_0", which is not a number.'),
    ],
)
def test_a_cell_that_is_no_number_is_set_aside_wherever_it_stands(tmp_path, cell, reason):
    path = write(tmp_path / "a.csv", f"x,y\n1,{cell}\n1,2\n3,4\n")
    bad, *good = checked(path, rules("vector"))
    assert bad.reason == reason
    assert [draft.vector.tolist() for draft in good] == [[1, 2], [3, 4]]


def test_a_vector_may_be_a_json_list_in_a_cell_but_numbers_there_must_be(tmp_path):
    path = write(tmp_path / "a.csv", 'vector,age\n"[1, 2.5]",7\n"[1, NaN]",7\n"1 2",7\n')
    good, bad = split(checked(path, rules("vector")))
    assert [(draft.vector.tolist(), draft.data) for draft in good] == [([1, 2.5], {"age": "7"})]
    assert len(bad) == 2
    with pytest.raises(UnreadableFile, match="no column holds numbers"):
        read(write(tmp_path / "b.csv", "x;y\n1,5;2,5\n"), "vector")


def test_images_lie_beside_the_file_if_that_is_allowed(tmp_path):
    write(tmp_path / "pics/a.png", picture())
    path = write(tmp_path / "a.csv", "image,truth\npics/a.png,cat\npics\\a.png,dog\npics/b.png,cat\n")
    good, bad = split(checked(path, rules("image", allow_files=True)))
    assert [(draft.truth, draft.suffix, draft.data) for draft in good] == [("cat", ".png", {}), ("dog", ".png", {})]
    assert bad[0].reason == "The image is missing: there is no file pics/b.png."
    assert not split(checked(path, rules("image")))[0]


def test_images_never_come_from_elsewhere(tmp_path):
    write(tmp_path / "secret.png", picture())
    inner = tmp_path / "in"
    write(inner / "own.png", picture())
    (inner / "link.png").symlink_to(tmp_path / "secret.png")
    (inner / "good-link.png").symlink_to(inner / "own.png")
    (inner / "circle.png").symlink_to(inner / "circle.png")
    names = ["../secret.png", str(tmp_path / "secret.png"), "link.png", "circle.png", "..\\secret.png", "C:\\a.png"]
    names += ["x/../../secret.png", "http://example.org/a.png", "n" * 5000, "in", ".", "good-link.png"]
    path = write(inner / "a.csv", "image,x\n" + "".join(f"{name},1\n" for name in names))
    good, bad = split(checked(path, rules("image", allow_files=True)))
    assert len(good) == 1
    assert len(bad) == len(names) - 1
