"""Test text files packed by gzip, zip files of one table, and tar files: damaged and hostile ones are refused before
their first row.
"""

import dataclasses
import gzip
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
from import_files import checked, read, rules, split, write, write_zip

from labeling.intake.checking import chunks
from labeling.intake.looking import count_labels
from labeling.intake.readers import Limits, UnreadableFile, check_form, open_source

END = bytes(1024)
CUT_SHORT = r"^a\.zip/1\.tar: it is cut short: create it again$"


def entry(name: str, content: bytes, *, size: int | None = None, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return a file as it stands in a tar file; `size` is the size that its header states."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content) if size is None else size
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


TEXT = entry("a.txt", b"one")


@pytest.mark.parametrize(
    "content",
    [
        TEXT + entry("b.txt", b"", size=-512) + END,
        TEXT + entry("b.txt", b"", size=1 << 80) + END,
        TEXT + entry("pax", b"19 size=-0000001024\n", kind=tarfile.XHDTYPE) + entry("b.txt", b"") + END,
        TEXT + entry("pax", b"", size=-512, kind=tarfile.XHDTYPE) + entry("b.txt", b"") + END,
        TEXT + entry("pax", os.urandom(2 << 20), kind=tarfile.XHDTYPE) + entry("b.txt", b"") + END,
        entry("pax", b"", kind=tarfile.XHDTYPE) * 30 + TEXT + END,
        TEXT + b"no header".ljust(512) + TEXT + END,
        TEXT + bytes(512) + TEXT + END,
        TEXT + END + TEXT,
        TEXT + bytes(512),
    ],
    ids=["negative", "huge", "negative-pax-size", "negative-pax", "huge-pax", "many-pax", "no-header", "empty-block",
         "files-after-the-end", "half-an-end"],
)  # fmt: skip
def test_a_damaged_tar_file_is_refused_before_its_first_row(content: bytes, tmp_path: Path) -> None:
    reason = "the tar file is damaged or cut short: create it again"
    with pytest.raises(UnreadableFile, match=rf"^a\.tar: {reason}$"):
        open_source(write(tmp_path / "a.tar", content), kind="text")
    path = write_zip(tmp_path / "a.zip", {"0.tar": TEXT + END, "1.tar": content})
    with open_source(path, kind="text") as source, pytest.raises(UnreadableFile, match=CUT_SHORT):
        next(chunks(source, rules("text")))


def test_a_shard_cut_in_a_file_of_zeros_is_refused_before_the_first_row(tmp_path: Path) -> None:
    cut = entry("b.txt", bytes(4096), size=1 << 20)
    path = write_zip(tmp_path / "a.zip", {"0.tar": TEXT + END, "1.tar": cut})
    check_form(path, kind="text", name="a.zip")  # a request does not unpack the other shards
    with open_source(path, kind="text") as source, pytest.raises(UnreadableFile, match=CUT_SHORT):
        next(chunks(source, rules("text")))
    path = write_zip(tmp_path / "b.zip", {"0.tar": b"damaged", "1.tar": TEXT + END})
    with pytest.raises(UnreadableFile, match="its shards unpack to more than 100 bytes"):  # counts before it unpacks
        open_source(path, kind="text", limits=Limits(shards=100))


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_hidden_files_are_counted_as_they_are_read(form: int, tmp_path: Path) -> None:
    shards = {}
    for shard in range(2):
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w", format=form) as tar:
            for name in (".hidden.txt", *(f"{'long' * 30}-{shard}-{number}.txt" for number in range(4)), "x/.y.txt"):
                info = tarfile.TarInfo(name)
                info.size = len(name)
                tar.addfile(info, io.BytesIO(name.encode()))
        shards[f"{shard}.tar"] = content.getvalue()
    path = write_zip(tmp_path / "a.zip", shards)
    every = [record.fields for record in read(path, "text")]
    assert len(every) == 8
    for skip in range(9):
        assert [record.fields for record in read(path, "text", skip=skip)] == every[skip:]
    assert open_source(write(tmp_path / "a.tar", shards["0.tar"]), kind="text").total == 4


def saved(array: object) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


def test_an_array_that_is_not_whole_rejects_its_row_alone(tmp_path: Path) -> None:
    good = saved([1.5, 2.0])
    huge = good.replace(b"(2,), }" + b" " * 12, b"(2000000000000,), }")
    bad = [huge, good.replace(b"(2,), }" + b" ", b"(-2,), }"), good[:-1], good[:40], b"", saved(1.0), saved([[1.0]]),
           saved(["a"]), saved([None])]  # fmt: skip
    content = b"".join(entry(f"{number}.npy", each) for number, each in enumerate([*bad, good]))
    drafts, rejected = split(checked(write(tmp_path / "a.tar", content + END), rules("vector")))
    assert [draft.vector.tolist() for draft in drafts] == [[1.5, 2.0]]
    reason = "Its .npy is no whole array of numbers in 1 dimension: save it again with numpy.save."
    assert len(huge) == len(good)
    assert [(row.where, row.reason) for row in rejected] == [(f"sample {number}", reason) for number in range(len(bad))]


def samples(path: Path, *labels: Any) -> Path:
    """Write samples with WebDataset's own writer, which turns numbers into their digits."""
    with webdataset.TarWriter(str(path)) as sink:
        for number, label in enumerate(labels):
            sink.write({"__key__": f"{number:05}", "txt": f"text {number}", "cls": label})
    return path


@pytest.mark.parametrize(
    ("question", "classes", "found"),
    [
        ("single", ("cat", "dog", "great auk"), ["dog", "cat", "great auk", "dog"]),
        ("multi", ("cat", "dog", "great auk"), [["dog"], ["cat"], ["great auk"], ["dog"]]),
        ("single", ("2", "1", "0"), ["1", "0", "2"]),
        ("score", ("1", "2"), ["1", "2"]),
    ],
)
def test_a_number_is_the_index_of_a_class_unless_classes_are_numbers(question, classes, found, tmp_path: Path) -> None:
    given = dataclasses.replace(rules("text", question), classes=classes)
    path = samples(tmp_path / "a.tar", 1, 0, 2, "dog", 3, "x")
    drafts, rejected = split(checked(path, given))
    assert [draft.labels.label for draft in drafts] == found
    reasons = {row.where: row.reason for row in rejected}
    assert len(drafts) + len(reasons) == 6
    if classes[0] == "cat":
        reason = "Label 3 is no index of a class: those of this project are 0 to 2, in their order."
        assert reasons["sample 00004"] == reason
    with open_source(path, kind="text") as source:
        assert count_labels(source, given).labels == len(drafts)


def test_an_index_is_one_of_the_list_beside_the_shards(tmp_path: Path) -> None:
    shard = samples(tmp_path / "train-0.tar", 0, 1, 2)
    path = write_zip(tmp_path / "a.zip", {"train-0.tar": shard.read_bytes(), "classes.json": '["dog", "cat"]'})
    drafts, [rejected] = split(checked(path, rules("text")))
    assert [draft.labels.label for draft in drafts] == ["dog", "cat"]
    assert rejected.reason == "Its .cls is 2, but classes.json has 2 classes, from 0."


def test_zero_and_one_are_no_and_yes_to_a_proposed_class(tmp_path: Path) -> None:
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as sink:
        for number in (1, 0):
            sink.write({"__key__": str(number), "txt": "a", "cls": number, "json": {"class": "cat"}})
    drafts = checked(tmp_path / "a.tar", rules("text", "verify"))
    assert [draft.labels.label for draft in drafts] == [True, False]


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
