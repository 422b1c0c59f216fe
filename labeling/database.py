"""Living with a database that others use too, and that does not answer at times."""

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
"""What a database that is away raises."""

# How long to wait before a database that did not answer is asked again.
AWAY_SECONDS = 1.0
# PostgreSQL's codes for a server that stops, crashes, starts, or has no connection left.
GONE_STATES = ("57P01", "57P02", "57P03", "53300")


def is_away(error: BaseException | None) -> bool:
    """Whether this error says that the database does not answer: the same may succeed later."""
    # SQLite uses the same class for statements that it cannot carry out.
    return isinstance(error, ERRORS) and getattr(error.__cause__, "sqlite_errorname", "") != "SQLITE_ERROR"


def has_gone(error: BaseException | None) -> bool:
    """Whether the server or the connection to it is gone. Then nothing is known to be wrong with what was asked.

    A lock that could not be had, or a full disk, is another matter: then the database answered.
    """
    if not isinstance(error, ERRORS) or hasattr(error.__cause__, "sqlite_errorname"):
        return False
    state: str | None = getattr(error.__cause__, "sqlstate", None)  # a connection that breaks has none
    return state is None or state.startswith("08") or state in GONE_STATES


def until_answered(ask: Callable[[], Answer], stop: threading.Event) -> Answer | None:
    """What `ask` returns, however long the database is away; None if `stop` is set meanwhile."""
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
    """These numbers for an `in`, as one value: thousands of places in a statement take longer than the statement."""
    if connection.vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::bigint[])", [list(numbers)])
    return RawSQL("SELECT value FROM json_each(%s)", [str(list(numbers))])


# How many times larger a part is on PostgreSQL if no other transaction changes its rows.
UNCONTENDED_FACTOR = 10
# Of the time that the part had its turn.
PAUSE_SHARE = 0.25


def in_parts(rows: Sequence[Any], size: int, *, uncontended: bool = False) -> Iterator[Any]:
    """Slices of `rows`, each to be written in a transaction of its own. Others get their turn between two of them.

    SQLite has one writer: a pause leaves some of the time to others, and some of the disk. On PostgreSQL others write
    meanwhile. `uncontended`: no
    other transaction changes these rows.
    """
    if uncontended and connection.vendor == "postgresql":
        size *= UNCONTENDED_FACTOR
    for start in range(0, len(rows), size):
        began = time.monotonic()
        yield rows[start : start + size]
        if connection.vendor == "sqlite":
            # Within a longer transaction the last turn was another one's.
            time.sleep(PAUSE_SHARE * min(time.monotonic() - began, getattr(connection, "turn_seconds", 0.0)))
            keep_log_short()


def keep_log_short() -> None:
    """Copy a long log of SQLite into the database. To be called between two transactions of a step that writes much."""
    if connection.vendor == "sqlite":
        connection.keep_log_short()  # type: ignore[attr-defined]  # of config.sqlite
