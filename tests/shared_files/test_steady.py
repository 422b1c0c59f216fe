"""Test that a large file is flushed in small parts, and is complete afterwards."""

import os
from pathlib import Path

import pytest

from labeling.storage.disk.files import STEADY_BYTES, replacing


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
