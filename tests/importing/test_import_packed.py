"""Test the import of text files packed by gzip, and of a zip file with one table."""

import gzip
import json
import zipfile
from pathlib import Path

import pytest
from import_files import read, write

from labeling.intake.readers import Limits, UnreadableFile, open_source

ROWS = [{"id": f"{number:02}", "text": f"Text {number}, naïve"} for number in range(40)]
CSV = "id,text\n" + "".join(f'{row["id"]},"{row["text"]}"\n' for row in ROWS)
TEXTS = {
    "a.csv": CSV,
    "a.tsv": CSV.replace('","', '"\t"').replace(",", "\t", 1).replace(',"', '\t"'),
    "a.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS),
    "a.json": json.dumps(ROWS, ensure_ascii=False),
}


def zipped(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize("name", TEXTS)
def test_a_packed_file_is_read_as_its_content(tmp_path, name):
    path = write(tmp_path / f"{name}.gz", gzip.compress(TEXTS[name].encode()))
    assert [record.fields for record in read(path, "text")] == ROWS
    assert [record.fields for record in read(path, "text", skip=37)] == ROWS[37:]
    with open_source(path, kind="text") as source:
        assert source.estimate >= len(ROWS)
        places = [source.position() for _ in source.records()]
        assert places == sorted(places)
        assert source.position() == 1


def test_a_file_that_is_packed_without_saying_so_is_read(tmp_path):
    path = write(tmp_path / "a.csv", gzip.compress(CSV.encode()))
    assert [record.fields for record in read(path, "text")] == ROWS


def test_a_bomb_ends_at_a_multiple_of_its_size(tmp_path):
    path = write(tmp_path / "a.jsonl.gz", gzip.compress(b'{"text": "%s"}\n' % (b"a" * 1000) * 20_000))
    with (
        open_source(path, kind="text", limits=Limits(unpack_ratio=1)) as source,
        pytest.raises(UnreadableFile, match=r"^a.jsonl.gz: it unpacks to more than 1 times its size: it is not read$"),
    ):
        list(source.records())


@pytest.mark.parametrize("name", TEXTS)
def test_a_zip_file_with_one_table_is_read_as_the_table(tmp_path, name):
    path = zipped(tmp_path / "a.zip", **{f"data/{name}": TEXTS[name], "README.md": "About it.", "licence": "Free."})
    assert [record.fields for record in read(path, "text")] == ROWS
    assert [record.fields for record in read(path, "text", skip=37)] == ROWS[37:]


def test_a_zip_file_with_two_tables_is_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", **{"train.csv": CSV, "test.csv": CSV})
    with pytest.raises(UnreadableFile, match=r"^a.zip: a zip for a project of kind text must hold one table alone"):
        open_source(path, kind="text")
