"""Checkpoint SQLite's write-ahead log without making other transactions wait for a slow disk.

A checkpoint of SQLite copies the pages of the log into the database, and then flushes all of them at once. After 64 MB
of writes, every other commit waits for half a second or more on a slow disk. This module flushes the same pages in
small pieces, so that other commits get to the disk between two pieces:

    hold the log ──> flush the log ──> copy the pages, without a flush ──> flush the database, piece by piece ──> let go

- Every copied page was flushed in the log before. A reader (`holder`) pins the end of the log before the flush, and
  SQLite copies no page after the end that the oldest reader sees.
- SQLite does not restart the log before the database is flushed, because the same reader pins it.
- After a power cut at any moment, SQLite restores the whole database from the log. If the process is killed, the reader
  ends early: the next checkpoint flushes the copied pages, and only a power cut before it could lose them.

See docs/explanation/group-commit.md.
"""

import ctypes
import os
import sqlite3
import sys
from contextlib import AbstractContextManager, closing
from functools import lru_cache
from pathlib import Path

FRAMES = 16_000
"""A checkpoint is due from this number of pages on: 64 MB. A lower number would write the same pages more often."""
EMPTY_SECONDS = 1.0
# A slow disk writes this many bytes in a twentieth of a second.
PIECE_BYTES = 2 << 20
# sync_file_range(2): wait for earlier writes, write, and wait. The file's own metadata is left to the flush at the end.
WRITE_AND_WAIT = 1 | 2 | 4
# Where the index of the log has the number of its last page and of its last copied page: four bytes each, in the
# machine's byte order (https://sqlite.org/walformat.html#the_wal_index_file_format).
LAST, COPIED = 16, 96


def is_due(database: str) -> bool:
    """Return whether the log has at least `FRAMES` pages that are not copied. The caller has a connection to the
    database.
    """
    index = _opened(f"{database}-shm")
    last, copied = (int.from_bytes(os.pread(index, 4, at), sys.byteorder) for at in (LAST, COPIED))
    return last - copied >= FRAMES


def checkpoint(database: str, alone: AbstractContextManager[None]) -> None:
    """Copy the log into the database, and flush the database in pieces.

    `alone`: a context in which no other connection writes.
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
        copier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # the few pages that others wrote meanwhile
        with alone:  # the next writer restarts the log if all of it is copied
            copier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def empty_log(database: str, alone: AbstractContextManager[None]) -> bool:
    """Copy the whole log into the database, and cut the log to no bytes: it has earlier states of rows. Return False if
    a reader still needs it.

    `alone`: as for `checkpoint`. Writers wait for up to `EMPTY_SECONDS`.
    """
    with _connected(database, timeout=EMPTY_SECONDS) as copier, alone:
        [(busy, _, _)] = copier.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return not busy


def _connected(database: str, *, timeout: float = 5.0) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(database, timeout=timeout, isolation_level=None))


def flush(path: str) -> None:
    """Flush the log to the disk. Not for the database file: closing it would release SQLite's locks on it."""
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fdatasync(file)
    finally:
        os.close(file)


def flush_in_pieces(database: str) -> None:
    """Flush the database in pieces, so that other files get to the disk in between; at once without sync_file_range."""
    file = _opened(database)
    if _sync_file_range:
        for start in range(0, os.fstat(file).st_size, PIECE_BYTES):
            _sync_file_range(file, start, PIECE_BYTES, WRITE_AND_WAIT)  # the flush below reports its errors
    os.fdatasync(file)


def _opened(path: str) -> int:
    """Return a descriptor of a file of SQLite, open until the process ends: closing it would release SQLite's locks on
    it.
    """
    return _descriptor(path, Path(path).stat().st_ino)


@lru_cache
def _descriptor(path: str, inode: int) -> int:
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


_sync_file_range = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)
if _sync_file_range:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
