"""Living with a database that others use too, and that does not answer at times."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import InterfaceError, OperationalError, connection
from django.db.models.expressions import RawSQL

ERRORS = (OperationalError, InterfaceError)
"""What a database that is away raises."""


def is_away(error: BaseException | None) -> bool:
    """Whether this error says that the database does not answer: the same may succeed later."""
    # SQLite uses the same class for statements that it cannot carry out.
    return isinstance(error, ERRORS) and getattr(error.__cause__, "sqlite_errorname", "") != "SQLITE_ERROR"


def among(numbers: Iterable[int]) -> RawSQL:
    """These numbers for an `in`, as one value: thousands of places in a statement take longer than the statement."""
    if connection.vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::bigint[])", [list(numbers)])
    return RawSQL("SELECT value FROM json_each(%s)", [str(list(numbers))])


# How many times larger a part is on PostgreSQL if no other transaction changes its rows.
UNCONTENDED_FACTOR = 10


def in_parts(rows: Sequence[Any], size: int, *, uncontended: bool = False) -> Iterator[Any]:
    """Slices of `rows`, each to be written in a transaction of its own. Others get their turn between two of them.

    SQLite has one writer, and who waits for it looks again after 1, 2, 5, 10, … ms: a pause as long as the part took
    is found within a few looks, where one writer after the other in a row could keep people waiting for all of them.
    On PostgreSQL others write meanwhile. `uncontended`: no other transaction changes these rows.
    """
    if uncontended and connection.vendor == "postgresql":
        size *= UNCONTENDED_FACTOR
    for start in range(0, len(rows), size):
        began = time.monotonic()
        yield rows[start : start + size]
        if connection.vendor == "sqlite":
            time.sleep(time.monotonic() - began)
