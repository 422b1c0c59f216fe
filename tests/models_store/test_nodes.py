"""Test that only processes with the file read its rows."""

from pathlib import Path

import numpy as np
import pytest

from models_store.nodes import Rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "rows.npy"
    np.save(path, np.arange(600, dtype=np.float32).reshape(100, 6))
    return path


def test_any_rows_on_end_are_read_back(path: Path) -> None:
    array = np.load(path, mmap_mode="r")
    for part in (array, array[10:], array[10:90][5:6], array[:0:-1][::-1]):
        rows = Rows.of(part)
        assert rows is not None
        again = rows.read()
        assert again is not None
        assert np.array_equal(again, part)
    raw = np.memmap(path, np.uint8, "r", 128, (400, 6))[7:]
    rows = Rows.of(raw)
    assert rows is not None
    assert np.array_equal(rows.read(), raw)


def test_what_is_no_part_of_a_file_is_none(path: Path) -> None:
    array = np.load(path, mmap_mode="r")
    for part in (np.arange(6), array[:0], array[::2], array[:, 2:]):
        assert Rows.of(part) is None


def test_another_file_of_that_name_is_not_read(path: Path) -> None:
    rows = Rows.of(np.load(path, mmap_mode="r"))
    assert rows is not None
    path.unlink()
    assert rows.read() is None
    np.save(path, np.zeros((100, 6), np.float32))
    assert rows.read() is None
    np.save(path, np.zeros((3, 6), np.float32))  # too short
    assert rows.read() is None
