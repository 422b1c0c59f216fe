"""Checkpoints of SQLite's write-ahead log that keep nobody waiting for a slow disk.

SQLite copies the pages of the log into the database after 64 MB of writes, and then has the system write all of them
at once. Every other commit waits behind these megabytes: half a second on a disk that writes 60 MB a second. Here the
same pages go to the disk in small pieces, with room for other commits between two of them:

    hold the log ──> flush the log ──> copy the pages, without a flush ──> flush the database, piece by piece ──> let go

- What is copied has been flushed. A reader holds the end of the log before the flush, and SQLite copies no page behind
  the oldest reader's end.
- The log is not begun anew before the database is flushed: the same reader keeps it.
- A power cut at any moment leaves a log from which all of the database is restored. A killed process lets go early:
  the next checkpoint flushes what it left, and only a power cut in between could lose it.

See docs/explanation/group-commit.md.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
from contextlib import closing
from functools import lru_cache
from pathlib import Path

LOG_BYTES = 64 << 20
"""The size of the log from which on it is copied. Less would write the same pages more often."""
# What a slow disk writes in a twentieth of a second.
PIECE_BYTES = 2 << 20
# sync_file_range(2): wait for earlier writes, write, and wait. The file's own metadata is left to the flush at the end.
WRITE_AND_WAIT = 1 | 2 | 4


def is_due(database: str) -> bool:
    """Whether the log is long. It is cut when it is begun anew (`journal_size_limit=0`), so its size tells."""
    try:
        return Path(f"{database}-wal").stat().st_size >= LOG_BYTES
    except FileNotFoundError:
        return False


def checkpoint(database: str) -> None:
    """Copy the log into the database, and write it to the disk piece by piece. No transaction may be open here."""
    with _connected(database) as holder, _connected(database) as copier:
        holder.execute("BEGIN")
        holder.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        flush(f"{database}-wal")
        copier.execute("PRAGMA synchronous=OFF")
        copier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        flush_in_pieces(database)
        holder.execute("ROLLBACK")
        # What others wrote meanwhile is little. Once all is copied, the next writer begins the log anew.
        copier.execute("PRAGMA synchronous=FULL")
        copier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _connected(database: str) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(database, isolation_level=None))


def flush(path: str) -> None:
    """Have the system write what it holds of this file. Not for the database itself: closing it ends SQLite's locks."""
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fdatasync(file)
    finally:
        os.close(file)


def flush_in_pieces(database: str) -> None:
    """Flush the database so that other files get their turn at the disk. Where the system cannot, all at once."""
    file = _opened(database)
    if _sync_file_range:
        for start in range(0, os.fstat(file).st_size, PIECE_BYTES):
            _sync_file_range(file, start, PIECE_BYTES, WRITE_AND_WAIT)  # an error comes again in the flush below
    os.fdatasync(file)


@lru_cache
def _opened(database: str) -> int:
    """The database, open until the process ends: closing any descriptor would end all locks that SQLite holds on it."""
    return os.open(database, os.O_RDWR | os.O_CLOEXEC)


_sync_file_range = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)
if _sync_file_range:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
