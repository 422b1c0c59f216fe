"""Wait for a database that does not answer, and write in parts so that other writers get their turn."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.db.models.expressions import RawSQL

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

ERRORS = (OperationalError, InterfaceError)
"""The errors that a database that does not answer raises."""

# The pause before `until_answered` tries again.
AWAY_SECONDS = 1.0
# PostgreSQL's codes for a server that stops, crashes, starts, or has no connection left.
GONE_STATES = ("57P01", "57P02", "57P03", "53300")


def is_away(error: BaseException | None) -> bool:
    """Return whether this error means that the database does not answer, so that the statement may succeed later."""
    # Django raises OperationalError for invalid SQL on SQLite, too.
    return isinstance(error, ERRORS) and getattr(error.__cause__, "sqlite_errorname", "") != "SQLITE_ERROR"


def has_gone(error: BaseException | None) -> bool:
    """Return whether this error means that the server, or the connection to it, is gone.

    A lock timeout or a full disk is not: the database answered.
    """
    if not isinstance(error, ERRORS) or hasattr(error.__cause__, "sqlite_errorname"):
        return False
    state: str | None = getattr(error.__cause__, "sqlstate", None)  # a connection that breaks has none
    return state is None or state.startswith("08") or state in GONE_STATES


def until_answered(ask: Callable[[], Answer], stop: threading.Event) -> Answer | None:
    """Call `ask` until the database answers, and return its result; None if `stop` is set before that."""
    while True:
        try:
            return ask()
        except ERRORS as error:
            if not is_away(error):
                raise
            logger.warning("The database does not answer: %s", str(error).strip())
            close_old_connections()
        if stop.wait(AWAY_SECONDS):
            return None


def among(numbers: Iterable[int]) -> RawSQL:
    """Return the numbers for an `__in` lookup, as one parameter: thousands of placeholders take longer than the
    statement.
    """
    if connection.vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::bigint[])", [list(numbers)])
    return RawSQL("SELECT value FROM json_each(%s)", [str(list(numbers))])


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
            # Within a longer transaction `turn_seconds` is the turn of an earlier transaction.
            time.sleep(PAUSE_SHARE * min(time.monotonic() - began, getattr(connection, "turn_seconds", 0.0)))
            keep_log_short()


def keep_log_short() -> None:
    """Copy a long write-ahead log of SQLite into the database. Steps that write much call it between transactions."""
    if connection.vendor == "sqlite":
        connection.keep_log_short()  # type: ignore[attr-defined]  # of config.sqlite
