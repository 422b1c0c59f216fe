"""Write many rows in parts, so that other writers get their turn."""

import time
from collections.abc import Iterator, Sequence
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
