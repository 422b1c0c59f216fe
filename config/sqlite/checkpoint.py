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
import sys
from contextlib import AbstractContextManager, closing
from functools import lru_cache
from pathlib import Path

FRAMES = 16_000
"""Pages in the log from which on they are copied: 64 MB. Fewer would write the same pages more often."""
# What a slow disk writes in a twentieth of a second.
PIECE_BYTES = 2 << 20
# sync_file_range(2): wait for earlier writes, write, and wait. The file's own metadata is left to the flush at the end.
WRITE_AND_WAIT = 1 | 2 | 4
# Where the index of the log has the number of its last page, and of the last one that is copied: four bytes each, in
# the machine's order (https://sqlite.org/walformat.html#the_wal_index_file_format).
LAST, COPIED = 16, 96


def is_due(database: str) -> bool:
    """Whether the log has many pages that are not copied. The caller has a connection to the database."""
    index = _opened(f"{database}-shm")
    last, copied = (int.from_bytes(os.pread(index, 4, at), sys.byteorder) for at in (LAST, COPIED))
    return last - copied >= FRAMES


def checkpoint(database: str, alone: AbstractContextManager[None]) -> None:
    """Copy the log into the database, and write it to the disk piece by piece. `alone`: while this is entered, no other
    connection writes.
    """
    with _connected(database) as holder, _connected(database) as copier:
        holder.execute("BEGIN")
        holder.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        flush(f"{database}-wal")
        copier.execute("PRAGMA synchronous=OFF")
        copier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        flush_in_pieces(database)
        holder.execute("ROLLBACK")
        copier.execute("PRAGMA synchronous=FULL")
        copier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # the little that others wrote meanwhile
        with alone:  # The next writer begins the log anew if all of it is copied.
            copier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _connected(database: str) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(database, isolation_level=None))


def flush(path: str) -> None:
    """Have the system write all that it holds of the log. Not for the database: closing it would end SQLite's locks."""
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


def _opened(path: str) -> int:
    """A file of SQLite's, open until the process ends: closing it would end all locks that SQLite holds on it here."""
    return _descriptor(path, Path(path).stat().st_ino)


@lru_cache
def _descriptor(path: str, inode: int) -> int:
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


_sync_file_range = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)
if _sync_file_range:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
