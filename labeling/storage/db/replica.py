"""Read from a PostgreSQL replica of the main database (`DATABASE_REPLICA_URL`).

Only reads within `reads` or `streamed` go to the replica; other reads, all writes and all transactions go to the main
database. A block begins once the replica has replayed everything that the main database holds, so its reads see every
acknowledged write. If the replica does not answer, or does not catch up in time, the block reads the main database.
docs/decisions/41-files-and-replicas.md has the reasons.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from labeling.storage.db.outages import ERRORS

logger = logging.getLogger(__name__)

REPLICA = "replica"
# Seconds that a page and an export wait for the replica to catch up.
PAGE_WAIT, EXPORT_WAIT = 0.1, 3.0
# After the replica did not answer or was behind, a process reads from the main database for this many seconds.
REST = 5.0

# With synchronous_commit=off a commit is acknowledged before it is written, so the position is that of the insert.
HELD = """
    SELECT system_identifier || '/' || current_database(), (CASE current_setting('synchronous_commit')
        WHEN 'off' THEN pg_current_wal_insert_lsn() ELSE pg_current_wal_lsn() END)::text
    FROM pg_control_system()"""
REPLAYED = """
    SELECT pg_is_in_recovery() AND system_identifier || '/' || current_database() = %s,
        pg_last_wal_replay_lsn() >= %s::pg_lsn
    FROM pg_control_system()"""


class _Block:
    """A block of reads that go to the replica, until the replica fails."""

    resting_until = 0.0
    """Until this time on the monotonic clock, the process reads from the main database only."""

    def __init__(self) -> None:
        self.alias = REPLICA

    @classmethod
    def begin(cls, seconds: float) -> _Block | None:
        """Wait until the replica has caught up, and return a block; None after `seconds`, or without a replica."""
        if REPLICA not in settings.DATABASES or connections[DEFAULT_DB_ALIAS].in_atomic_block:
            return None
        if time.monotonic() < cls.resting_until:
            return None
        try:
            why_not = _lack(seconds)
        except Error as error:
            why_not = str(error)
        if why_not:
            cls.rest(why_not)
            return None
        return cls()

    @classmethod
    def rest(cls, why: str) -> None:
        cls.resting_until = time.monotonic() + REST
        logger.warning("Read from the main database, not from the replica: %s", why.strip())

    @contextmanager
    def entered(self) -> Iterator[None]:
        token = _BLOCK.set(self)
        try:
            with connections[REPLICA].execute_wrapper(self._or_from_main):
                yield
        finally:
            _BLOCK.reset(token)

    def _or_from_main(self, execute: Callable[..., Any], sql: str, values: Any, many: bool, context: Any) -> Any:
        """Run a statement on the replica; if the replica fails, run it and all later ones on the main database."""
        try:
            return execute(sql, values, many, context)
        except ERRORS as error:
            self.alias = DEFAULT_DB_ALIAS
            self.rest(str(error))
            # The caller fetches its rows from this cursor, so turn it into a cursor of the main database.
            cursor, other = context["cursor"], connections[DEFAULT_DB_ALIAS].cursor()
            cursor.db, cursor.cursor = other.db, other.cursor
            return execute(sql, values, many, context)


_BLOCK: ContextVar[_Block | None] = ContextVar("block of reads from the replica", default=None)


def _lack(seconds: float) -> str:
    """Wait until the replica has replayed everything that the main database holds now, and return "".

    Returns the reason why the replica cannot be read if it is no replica, or still behind after `seconds`.
    """
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(HELD)
        held = cursor.fetchone()
    end, pause = time.monotonic() + seconds, 0.001
    with connections[REPLICA].cursor() as cursor:
        while True:
            cursor.execute(REPLAYED, held)
            of_main, caught_up = cursor.fetchone()
            if not of_main:
                return "DATABASE_REPLICA_URL names no replica of DATABASE_URL's database."
            if caught_up:
                return ""
            if time.monotonic() + pause > end:
                return f"It is more than {seconds:g} s behind."
            time.sleep(pause)
            pause *= 2


@contextmanager
def reads() -> Iterator[None]:
    """Read from the replica within the block. Also a decorator, for functions that only read."""
    block = _Block.begin(PAGE_WAIT)
    with block.entered() if block else nullcontext():
        yield


def streamed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks, read from the replica. The consumer's reads between two chunks are not affected."""
    block = _Block.begin(EXPORT_WAIT)
    while True:
        with block.entered() if block else nullcontext():
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def reading() -> BaseDatabaseWrapper:
    """Return the connection for reads at this moment."""
    return connections[_alias()]


def _alias() -> str:
    block = _BLOCK.get()
    if block is None or connections[DEFAULT_DB_ALIAS].in_atomic_block:
        return DEFAULT_DB_ALIAS
    return block.alias


class Router:
    """The database router of an installation with a replica. Only tables of `labeling` are read from the replica."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        return _alias() if model._meta.app_label == "labeling" else DEFAULT_DB_ALIAS

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        return DEFAULT_DB_ALIAS

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool:
        return True  # both are rows of the same data

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == DEFAULT_DB_ALIAS
