"""Write many rows in parts, so that other writers get their turn; and blocks that one process runs at a time."""

import fcntl
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection

# On PostgreSQL, parts are this many times larger if no other transaction changes their rows.
UNCONTENDED_FACTOR = 10
# The pause after a part, as a share of the time that the part took.
PAUSE_SHARE = 0.25


def in_parts(rows: Sequence[Any], size: int, *, uncontended: bool = False) -> Iterator[Any]:
    """Yield slices of `rows` of the length `size`; the caller writes each slice in its own transaction.

    On SQLite, which has one writer, a pause follows each slice, for other writers. PostgreSQL needs no pauses.
    `uncontended`: no other transaction changes these rows; slices are larger on PostgreSQL.
    """
    if uncontended and connection.vendor == "postgresql":
        size *= UNCONTENDED_FACTOR
    for start in range(0, len(rows), size):
        began = time.monotonic()
        yield rows[start : start + size]
        if connection.vendor == "sqlite":
            time.sleep(PAUSE_SHARE * held_seconds(began))
            keep_log_short()


def held_seconds(began: float) -> float:
    """Return how long the transaction since `began` held others up; on SQLite without its own waits."""
    elapsed = time.monotonic() - began
    # Within a longer transaction `turn_seconds` is the turn of an earlier transaction.
    return min(elapsed, getattr(connection, "turn_seconds", elapsed))


def keep_log_short() -> None:
    """Copy a long write-ahead log of SQLite into the database. Steps that write much call it between transactions."""
    if connection.vendor == "sqlite":
        connection.keep_log_short()  # type: ignore[attr-defined]  # of config.sqlite


@contextmanager
def exclusive(name: str) -> Iterator[bool]:
    """Yield whether no other block of this name runs, in whichever process or thread. Nothing waits.

    The end of a killed process ends its block: the kernel releases the lock of a file beside SQLite's database, or
    PostgreSQL the lock of a transaction. That transaction is in a connection of its own and does nothing else, so that
    the block can have transactions, and poolers can share the other connections.
    """
    if connection.vendor == "postgresql":
        own = connection.copy()
        try:
            own.set_autocommit(False)
            with own.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [zlib.crc32(name.encode())])
                [taken] = cursor.fetchone()
            yield taken
        finally:
            own.close()
        return
    file = os.open(f"{connection.settings_dict['NAME']}-{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(file)
