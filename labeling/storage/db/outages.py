"""Recognise a database that does not answer, and wait for it."""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

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


def until_answered(ask: Callable[[], Result], stop: threading.Event) -> Result | None:
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
