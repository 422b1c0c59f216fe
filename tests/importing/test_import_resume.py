"""Test that a killed import resumes with the same records as an uninterrupted one, in little memory."""

import gzip
import json
import os
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from import_files import picture, write, write_arrow, write_folder, write_npy, write_parquet, write_zip

from labeling.intake.readers import Limits, Record, UnreadableFile, open_source
from tests.extent import some

LIMITS = Limits(line=400)
CSV = (
    'text,x\none,1\n\n"two\nlines",2\nbad\ncaf\xff,3\n"stray,4\nfive,5\n' + "y" * 900 + ",6\nseven,7\r\neight,8\rnine,9"
)
ROWS = [{"text": "a"}, 5, {"text": "b" * 900}, {"text": "c"}, {}, {"text": "d"}]
PICTURES = {"a.png": picture(), "b/c.png": picture(), "b/d.txt": b"", "e.png": b"junk"}
TABLE = 'file_name,x\nb/c.png,1\nbad\na.png,2\n"stray,1\n'


def sources(folder):
    """Return a file of every format, most of them with bad rows among the good."""
    truth = write(folder / "t.csv", "truth\n" + "cat\n" * 30)
    return [
        (write(folder / "a.csv", CSV.encode("latin-1")), "text", None),
        (write(folder / "a.tsv", "text\tx\none\t1\ntwo\t2\n"), "text", None),
        (write(folder / "n.csv", "x,y\n1,2\n3,abc\n5,6\n"), "vector", None),
        (write(folder / "a.jsonl", "\n\n".join(map(json.dumps, ROWS)) + "\n{bad"), "text", None),
        (write(folder / "a.json", json.dumps(ROWS, indent=1)[:-1] + ","), "text", None),
        (write_parquet(folder / "a.parquet", {"text": list("abcdefghijk")}, rows_a_group=4), "text", None),
        (write_arrow(folder / "a.arrow", {"text": list("abcdefghijk")}), "text", None),
        (write_npy(folder / "a.npy", np.arange(60.0).reshape(30, 2)), "vector", truth),
        (write_folder(folder / "plain", PICTURES), "image", None),
        (write_folder(folder / "described", {**PICTURES, "metadata.csv": TABLE}), "image", None),
        (write_zip(folder / "plain.zip", PICTURES), "image", None),
        (write_zip(folder / "described.zip", {**PICTURES, "metadata.csv": TABLE}), "image", None),
    ]


def plain(record: Record) -> tuple:
    """Return the record in a comparable form, arrays included."""
    return (record.where, repr(record.fields), record.problem, record.excerpt, record.default_id)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    files = sources(tmp_path_factory.mktemp("resume"))
    every = [open_source(path, kind=kind, truth_path=truth, limits=LIMITS) for path, kind, truth in files]
    yield every
    for source in every:
        source.close()


@pytest.mark.parametrize("number", range(12))
def test_records_are_told_apart_the_position_only_grows_and_skipping_gives_what_reading_on_would(opened, number):
    source = opened[number]
    records, positions = [], []
    for record in source.records():
        records.append(record)
        positions.append(source.position())
    assert len(records) >= 2
    assert source.total in (None, len(records))
    assert len({record.where for record in records}) == len(records)
    ids = [record.default_id for record in records if record.fields is not None]
    assert len(set(ids)) == len(ids)
    assert positions == sorted(positions)
    assert 0 <= positions[0] <= positions[-1] <= 1
    assert source.position() == 1
    every = list(map(plain, records))
    for skip in range(len(every) + 2):
        assert [plain(record) for record in source.records(skip)] == every[skip:]


@contextmanager
def at_most(megabytes: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 2**20
    finally:
        tracemalloc.stop()


LONG = [
    ("a.json", '[{"text": "one"}, {"text": "', "y", '"}, {"text": "two"}]'),
    ("a.csv", "text,x\none,1\n", "y", "\ntwo,2\n"),
    ("a.csv", 'text,x\none,1\n"', "y, ", '",5\ntwo,2\n'),
    ("a.csv", 'text,x\none,1\n"', "y, " * 100 + "\n", '",5\ntwo,2\n'),
    ("a.jsonl", '{"text": "one"}\n{"text": "', "y", '"}\n{"text": "two"}\n'),
    ("a.json", '[{"text": "one"}, {"x": [0', ",1", ']}, {"text": "two"}]'),
]


@pytest.mark.parametrize(("name", "start", "filling", "end"), some(LONG, 3))
def test_a_row_of_20_mb_is_set_aside_in_little_memory(tmp_path, name, start, filling, end):
    path = tmp_path / name
    with path.open("w") as file:
        file.write(start)
        for _ in range(20):
            file.write(filling * (2**20 // len(filling)))
        file.write(end)
    with at_most(12), open_source(path, kind="text") as source:
        records = list(source.records())
    assert [record.fields and record.fields["text"] for record in records] == ["one", None, "two"]
    assert records[1].problem == "the row is longer than 1 MiB"


@pytest.mark.long
def test_many_rows_or_a_row_of_nothing_but_line_ends_take_little_memory(tmp_path):
    path = write(tmp_path / "a.csv", 'text,x\none,1\n"' + "\n" * 2**18 + '",5\ntwo,2\n')
    with at_most(16), open_source(path, kind="text", limits=Limits(line=2**17)) as source:
        records = list(source.records())
    assert [record.where for record in records] == ["line 2", "line 3", f"line {2**18 + 4}"]
    text = os.urandom(400).hex()
    big = write(tmp_path / "a.csv", "text,x\n" + f"{text},1\n" * 10_000)
    groups = write_parquet(tmp_path / "a.parquet", {"text": [f"{text}{n}" for n in range(10_000)]}, rows_a_group=2000)
    for path in (big, groups):
        with at_most(6), open_source(path, kind="text") as source:
            assert sum(1 for _ in source.records()) == 10_000


@pytest.mark.parametrize(
    ("name", "content", "kind", "complaint"),
    [
        ("gone.csv", None, "text", "this file or folder does not exist"),
        ("a.xls", b"\xd0\xcf", "text", "spreadsheet cannot be read: save it as CSV"),
        ("a.xlsx", b"PK\x03\x04", "text", "is not an .xlsx workbook or is damaged: save it again"),
        ("a.docx", b"hello", "text", "this kind of file is not read: CSV, TSV"),
        ("a.csv", b"PAR1....", "text", "is called .csv but holds parquet"),
        ("a.csv", b"PK\x03\x04....", "text", "is called .csv but holds zip"),
        ("a.zip", b"PK\x03\x04....", "text", "is not a zip file or is damaged"),
        ("a.parquet.gz", b"\x1f\x8b..", "text", "of packed files, only CSV, TSV, JSONL and JSON are read: unpack it"),
        ("a.tar.gz", b"\x1f\x8b..", "image", "of packed files, only CSV, TSV, JSONL and JSON are read: unpack it"),
        ("a.csv.gz", b"\x1f\x8b..", "text", "the packed file is damaged or cut short: pack it again"),
        (
            "a.csv.gz",
            gzip.compress(b"text\na\n", mtime=0)[:-9],
            "text",
            "the packed file is damaged or cut short: pack it again",
        ),
        ("a.npy", b"x", "image", "a npy is for projects of kind vector"),
        ("a.zip", b"nothing", "image", "is not a zip file or is damaged"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path, name, content, kind, complaint):
    if content is not None:
        write(tmp_path / name, content)
    with pytest.raises(UnreadableFile, match=rf"^{name}: .*{complaint}"):
        open_source(tmp_path / name, kind=kind)


def test_pipes_and_folders_of_the_wrong_kind_are_refused(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(UnreadableFile, match="neither a file nor a folder"):
        open_source(tmp_path / "a.csv", kind="text")
    for name in ("a.csv", "b.jsonl"):
        write(tmp_path / "folder" / name, "text\na\n")
    with pytest.raises(UnreadableFile, match="a folder for a project of kind text must hold one table alone"):
        open_source(tmp_path / "folder", kind="text")


def test_an_upload_is_known_by_the_name_people_gave_it_or_by_its_first_bytes(tmp_path):
    with open_source(write(tmp_path / "upload-1234", "text\na\n"), kind="text", name="reviews.csv") as source:
        assert [record.default_id for record in source.records()] == ["reviews.csv:2"]
    with open_source(write_zip(tmp_path / "upload", {"a.png": picture()}), kind="image") as source:
        assert source.total == 1
