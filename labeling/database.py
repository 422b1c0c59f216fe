"""Telling a database that does not answer at this moment, because it is restarted or busy, from a defect."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError

ERRORS = (OperationalError, InterfaceError)
"""What a database that is away raises."""


def is_away(error: BaseException | None) -> bool:
    """Whether this error says that the database does not answer: the same may succeed later."""
    # SQLite uses the same class for statements that it cannot carry out.
    return isinstance(error, ERRORS) and getattr(error.__cause__, "sqlite_errorname", "") != "SQLITE_ERROR"
