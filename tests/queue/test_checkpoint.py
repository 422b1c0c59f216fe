"""Test checkpoints in small pieces: a power cut loses nothing, other connections can write, and the log stays short."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from django.db import connection

from config.sqlite import checkpoint as checkpoints


def connect(database: Path) -> sqlite3.Connection:
    connected = sqlite3.connect(database, isolation_level=None)
    connected.execute("PRAGMA journal_mode=WAL")
    connected.execute("PRAGMA wal_autocheckpoint=0")
    return connected


class Disk:
    """The last flushed state of the database and its log, and the number of rows acknowledged by it."""

    def __init__(self, database: Path, folder: Path) -> None:
        self.database, self.folder = database, folder
        self.log_file = database.with_name(f"{database.name}-wal")
        self.pages, self.log, self.acknowledged, self.cuts = database.read_bytes(), b"", 0, 0

    def flush_log(self, rows: int) -> None:
        self.log, self.acknowledged = self.log_file.read_bytes(), rows

    def cut(self) -> None:
        """Cut the power. Unflushed pages of the database may or may not be on the disk."""
        for pages in (self.pages, self.database.read_bytes()):
            self.cuts += 1
            left = self.folder / str(self.cuts) / "db"
            left.parent.mkdir(parents=True)
            left.write_bytes(pages)
            left.with_name("db-wal").write_bytes(self.log)
            with closing(sqlite3.connect(left)) as restored:
                assert restored.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                numbers = [number for (number,) in restored.execute("SELECT number FROM kept ORDER BY number")]
            assert numbers == list(range(self.acknowledged))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "db"


def test_a_power_cut_at_any_moment_of_a_checkpoint_loses_nothing(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(connect(database)) as writer:
        rows = 0

        def write(count: int) -> None:
            nonlocal rows
            with writer:
                writer.execute("BEGIN")
                for _ in range(count):
                    writer.execute("INSERT INTO kept VALUES (?, ?)", (rows, "x" * 1000))
                    rows += 1

        writer.execute("CREATE TABLE kept (number integer primary key, text)")
        writer.execute("PRAGMA wal_checkpoint").fetchall()
        disk = Disk(database, tmp_path)

        def flush(path: str) -> None:
            assert path == str(disk.log_file)
            disk.flush_log(rows)
            disk.cut()
            write(20)  # committed by another person, and not flushed yet

        def flush_in_pieces(path: str) -> None:
            assert database.stat().st_size > len(disk.pages), "the pages are copied"
            disk.cut()
            write(300)
            disk.flush_log(rows)  # acknowledged, before the database is flushed
            disk.cut()
            disk.pages = database.read_bytes()
            disk.cut()

        monkeypatch.setattr(checkpoints, "flush", flush)
        monkeypatch.setattr(checkpoints, "flush_in_pieces", flush_in_pieces)
        write(500)
        checkpoints.checkpoint(str(database), nullcontext())
        length = disk.log_file.stat().st_size
        write(1)
        assert disk.log_file.stat().st_size == length, "the log was begun anew, and overwrites what was copied"
        assert writer.execute("SELECT count(*) FROM kept").fetchone() == (821,)
        assert disk.cuts == 8


@pytest.mark.parametrize("system_can", [True, False])
def test_the_database_is_flushed_in_pieces(database: Path, monkeypatch: pytest.MonkeyPatch, system_can: bool) -> None:
    ranges: list[tuple[int, int]] = []
    counted: Callable[..., object] = lambda file, start, length, how: ranges.append((start, length))  # noqa: E731
    monkeypatch.setattr(checkpoints, "_sync_file_range", counted if system_can else None)
    monkeypatch.setattr(checkpoints, "PIECE_BYTES", 4096)
    with closing(connect(database)) as writer:
        writer.execute("CREATE TABLE kept (text)")
        writer.executemany("INSERT INTO kept VALUES (?)", [("x" * 1000,)] * 20)
        checkpoints.checkpoint(str(database), nullcontext())
    assert ranges == ([(start, 4096) for start in range(0, database.stat().st_size, 4096)] if system_can else [])


def test_others_write_during_a_checkpoint(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(connect(database)) as writer:
        writer.execute("CREATE TABLE kept (text)")
        monkeypatch.setattr(checkpoints, "flush_in_pieces", lambda path: writer.execute("INSERT INTO kept VALUES (1)"))
        checkpoints.checkpoint(str(database), nullcontext())
        assert writer.execute("SELECT text FROM kept").fetchall() == [(1,)]


def test_it_is_due_for_pages_that_are_not_copied(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "FRAMES", 50)
    with closing(connect(database)) as writer:
        writer.execute("CREATE TABLE kept (text)")
        for _ in range(3):
            assert not checkpoints.is_due(str(database))
            writer.execute("INSERT INTO kept VALUES (?)", ["x" * 4096 * 60])
            assert checkpoints.is_due(str(database))
            checkpoints.checkpoint(str(database), nullcontext())


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="of the SQLite backend")
def test_a_step_that_writes_much_copies_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    from factories import make_project

    from config.sqlite import base
    from labeling.storage.db.long_writes import keep_log_short

    made: list[str] = []
    monkeypatch.setattr(base, "checkpoint", lambda path, alone: made.append(path))
    monkeypatch.setattr(base, "is_due", lambda path: True)
    make_project()
    keep_log_short()
    assert not made, "databases of tests are gone in a minute"
    connection._flush = base.Flush("any")
    try:
        keep_log_short()
    finally:
        connection._flush = None
    assert made == [connection.settings_dict["NAME"]]
