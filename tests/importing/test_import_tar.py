"""Test that damaged and hostile tar files, alone or in a zip file, are refused before their first row."""

import dataclasses
import io
import os
import tarfile
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


def test_the_limit_counts_before_a_shard_is_unpacked(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"0.tar": b"damaged", "1.tar": TEXT + END})
    with pytest.raises(UnreadableFile, match="its shards unpack to more than 100 bytes"):
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
