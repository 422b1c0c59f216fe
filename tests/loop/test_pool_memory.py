"""Test that arrays of a whole pool are written to the disk in parts, without a copy in memory."""

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from labeling.models import Project
from labeling.steps import cluster as clustering
from labeling.storage.arrays.files import load_array, save_array

MIB = 1 << 20
BLOCK, DIM = 1000, 256


def peak_of(work: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_saving_an_array_makes_no_copy_of_it(tmp_path: Path) -> None:
    array = np.arange(5 * MIB, dtype=np.float64)
    assert peak_of(lambda: save_array(tmp_path / "a.npy", array)) < MIB
    assert (load_array(tmp_path / "a.npy", mmap=True) == array).all()
    save_array(tmp_path / "a.npy", array[:0])
    assert load_array(tmp_path / "a.npy").shape == (0,)
    assert not list(tmp_path.glob(".draft-*"))


def test_embeddings_of_a_pool_are_written_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def predict(model: Any, features: np.ndarray, **named: Any) -> Iterator[Any]:
        for start in range(0, len(features), BLOCK):
            n = min(BLOCK, len(features) - start)
            yield SimpleNamespace(start=start, embeddings=np.full((n, DIM), start // BLOCK, np.float32))

    monkeypatch.setattr(clustering.compute, "score", predict)
    features = np.zeros((60_500, 1), np.float32)
    monkeypatch.setattr(clustering, "scorer_of", lambda project, version: (project, features))
    path = tmp_path / "pool" / "embeddings.npy"

    def write() -> None:
        clustering._write_embeddings(path, Project(question="single"), None, slice(None), None)  # type: ignore[arg-type]

    assert peak_of(write) < 8 * MIB, "of 59 MiB"
    found = load_array(path, mmap=True)
    assert found.shape == (60_500, DIM)
    assert (found[:, 0] == np.arange(60_500) // BLOCK).all()
