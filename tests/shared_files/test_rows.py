"""Test the pieces of a matrix in a store against a plain list of bytes: appends, kills, and reads of any part."""

import random
import uuid
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.storage.shared_files import rows
from labeling.storage.shared_files.cache import Cache
from labeling.storage.shared_files.rows import StoredRows
from tests.extent import examples


class Killed(Exception):
    """Stands for the end of the process."""


class Fragile(MemoryFileSystem):
    """A store whose client is killed before its n-th change."""

    protocol = f"fragile-{uuid.uuid4().hex}"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    left: int | None = None

    def _change(self) -> None:
        if Fragile.left is not None:
            Fragile.left -= 1
            if Fragile.left < 0:
                raise Killed

    def pipe_file(self, *args: Any, **options: Any) -> None:
        self._change()
        super().pipe_file(*args, **options)

    def rm_file(self, *args: Any, **options: Any) -> None:
        self._change()
        super().rm_file(*args, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


def matrix(folder: Path) -> tuple[StoredRows, str, Path]:
    name = uuid.uuid4().hex
    Fragile.store.clear()
    stored = StoredRows(Fragile(), Cache([folder], stays=lambda path: False, most_bytes=1 << 30))
    return stored, f"/{name}", folder / name


APPENDS = st.lists(st.tuples(st.integers(1, 30), st.none() | st.integers(0, 4)), min_size=1, max_size=25)


@settings(max_examples=examples(300))
@given(appends=APPENDS, seed=st.integers(0, 1000), piece_bytes=st.sampled_from([8, 64, 1 << 20]))
def test_whatever_is_killed_what_counts_is_what_was_appended(
    folder: Path, appends: list[tuple[int, int | None]], seed: int, piece_bytes: int
) -> None:
    chance = random.Random(seed)
    stored, key, path = matrix(folder)
    counts = b""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "PIECE_BYTES", piece_bytes)
        for size, killed_before in appends:
            content = chance.randbytes(size)
            Fragile.left = killed_before
            try:
                stored.append(key, start=len(counts), content=content)
                # It counts with the transaction that comes after it, if that comes.
                counts += content if chance.random() < 0.7 else b""
            except Killed:
                pass
            finally:
                Fragile.left = None
            if counts and chance.random() < 0.5:
                start = chance.randrange(len(counts))
                stop = chance.randint(start + 1, len(counts))
                stored.bring(key, path, (start, stop))
                assert path.read_bytes()[start:stop] == counts[start:stop]
    if counts:
        stored.bring(key, path, (0, len(counts)))
        assert path.read_bytes()[: len(counts)] == counts
        assert stored.bring(key, path, (0, len(counts))) == 0, "what is here is not brought again"


def test_a_thousand_appends_leave_few_pieces_and_send_each_byte_a_few_times(folder: Path) -> None:
    stored, key, path = matrix(folder)
    sent = 0
    original = Fragile.pipe_file

    def counted(self: Fragile, name: str, value: bytes, **options: Any) -> None:
        nonlocal sent
        sent += len(value)
        original(self, name, value, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "PIECE_BYTES", 64_000)
        patch.setattr(Fragile, "pipe_file", counted)
        for n in range(1000):
            stored.append(key, start=n * 1000, content=bytes([n % 256]) * 1000)
    pieces = Fragile().ls(key, detail=True)
    assert len(pieces) <= 16 + 7
    assert sent <= 8 * 1_000_000
    stored.bring(key, path, (500_000, 501_000))
    assert path.read_bytes()[500_000:501_000] == bytes([500 % 256]) * 1000


def test_rows_that_the_store_has_not_are_not_made_up(folder: Path) -> None:
    stored, key, path = matrix(folder)
    with pytest.raises(FileNotFoundError):
        stored.bring(key, path, (0, 5))
    stored.append(key, start=0, content=b"12345")
    with pytest.raises(FileNotFoundError):
        stored.bring(key, path, (0, 6))
    with pytest.raises(FileNotFoundError):
        stored.append(key, start=7, content=b"x")
    stored.bring(key, path, (0, 5))
    assert path.read_bytes()[:5] == b"12345"
