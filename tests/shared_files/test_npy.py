"""Test array files: numpy reads them, every changed bit is detected, and large ones are flushed in small parts."""

import os
from pathlib import Path

import numpy as np
import pytest
from damages import flip_at
from hypothesis import given
from hypothesis import strategies as st

from labeling.storage.disk import npy
from labeling.storage.disk.files import STEADY_BYTES, FileDamaged, FileMissing, replacing

ARRAYS = [
    np.arange(300_000, dtype=np.float64),
    np.zeros((5, 7, 2), np.uint8),
    np.empty((0, 3), np.int16),
    np.array([True, False]),
    np.asfortranarray(np.arange(12).reshape(3, 4)),
]


def written(path: Path, array: np.ndarray) -> Path:
    with replacing(path) as file:
        npy.write_array(file, array)
    return path


def test_what_is_written_is_read_by_numpy_too(tmp_path: Path) -> None:
    for array in ARRAYS:
        path = written(tmp_path / "a.npy", array)
        for read in (npy.load(path), npy.load(path, mmap=True), np.load(path)):
            assert read.dtype == array.dtype
            np.testing.assert_array_equal(read, array)
        npy.check_array(path)


@given(place=st.floats(0, 1, exclude_max=True))
def test_no_changed_bit_passes(tmp_path_factory: pytest.TempPathFactory, place: float) -> None:
    path = written(tmp_path_factory.mktemp("npy") / "a.npy", ARRAYS[0])
    flip_at(path, int(place * path.stat().st_size))
    for read in (npy.load, npy.check_array):
        with pytest.raises(FileDamaged, match=r"a\.npy: "):
            read(path)


@given(place=st.floats(0, 1, exclude_max=True))
def test_no_lost_byte_passes_an_opening(tmp_path_factory: pytest.TempPathFactory, place: float) -> None:
    path = written(tmp_path_factory.mktemp("npy") / "a.npy", ARRAYS[1])
    size = path.stat().st_size
    os.truncate(path, int(place * size))
    if path.stat().st_size == size - 24:
        return  # all of the array, and none of its sums: as an earlier release wrote it
    with pytest.raises(FileDamaged, match=r"a\.npy: "):
        npy.load(path, mmap=True)


def test_files_of_earlier_releases_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, ARRAYS[0])
    np.testing.assert_array_equal(npy.load(path), ARRAYS[0])
    npy.check_array(path)
    os.truncate(path, 1000)
    with pytest.raises(FileDamaged, match=r"it has 1,000 bytes, and not 2,400,128"):
        npy.load(path, mmap=True)


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="it is missing"):
        npy.load(tmp_path / "a.npy")
    with pytest.raises(FileNotFoundError):
        npy.load(tmp_path / "a.npy")


@pytest.mark.parametrize("piece", [100_000, 3 * STEADY_BYTES])
def test_no_more_than_some_megabytes_wait_for_the_disk_at_once(
    piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(os.fstat(file).st_size), fsync(file)))
    content = os.urandom(piece) * (6 * STEADY_BYTES // piece)
    with replacing(tmp_path / "file") as file:
        for start in range(0, len(content), piece):
            file.write(content[start : start + piece])
    assert (tmp_path / "file").read_bytes() == content
    assert max(after - before for before, after in zip([0, *synced], synced, strict=False)) <= STEADY_BYTES
