"""Reads from a copy of the main database, a PostgreSQL that replays what that one writes (`DATABASE_REPLICA_URL`).

Whatever is not within `reads` or `streamed` goes to the main database, and so do all writes and everything in a
transaction. A block begins once the replica has replayed all that the main database holds at that moment, so nobody
misses what was acknowledged before. A replica that is away, or does not catch up in time, is no error: the main
database is read instead. docs/decisions/0072-reads-from-a-replica.md has the reasons.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from labeling.database import ERRORS

logger = logging.getLogger(__name__)

REPLICA = "replica"
# Seconds that a page and an export wait for the replica to catch up.
PAGE_WAIT, EXPORT_WAIT = 0.1, 3.0
# A process does not ask a replica again for so many seconds once it was away or behind.
REST = 5.0

# Commits that a client is not kept waiting for (synchronous_commit=off) count before they are written.
HELD = """
    SELECT system_identifier || '/' || current_database(), (CASE current_setting('synchronous_commit')
        WHEN 'off' THEN pg_current_wal_insert_lsn() ELSE pg_current_wal_lsn() END)::text
    FROM pg_control_system()"""
REPLAYED = """
    SELECT pg_is_in_recovery() AND system_identifier || '/' || current_database() = %s,
        pg_last_wal_replay_lsn() >= %s::pg_lsn
    FROM pg_control_system()"""


class _Block:
    """Reads that go to the replica, until it fails."""

    resting_until = 0.0
    """Of the process, on the monotonic clock."""

    def __init__(self) -> None:
        self.alias = REPLICA

    @classmethod
    def begin(cls, seconds: float) -> _Block | None:
        """A block once the replica has caught up; None if it does not within so many seconds, or there is none."""
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
        """Run a statement; on the main database if the replica fails, which then runs those that follow too."""
        try:
            return execute(sql, values, many, context)
        except ERRORS as error:
            self.alias = DEFAULT_DB_ALIAS
            self.rest(str(error))
            # Whoever asked goes on to take rows from this cursor, so it becomes one of the main database.
            cursor, other = context["cursor"], connections[DEFAULT_DB_ALIAS].cursor()
            cursor.db, cursor.cursor = other.db, other.cursor
            return execute(sql, values, many, context)


_BLOCK: ContextVar[_Block | None] = ContextVar("block of reads from the replica", default=None)


def _lack(seconds: float) -> str:
    """Why the replica cannot be read; empty once it has replayed what the main database holds now."""
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
    """Within the block, read from the replica. Also a decorator of functions that only read."""
    block = _Block.begin(PAGE_WAIT)
    if block is None:
        yield
    else:
        with block.entered():
            yield


def streamed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks, each read from the replica as it is taken; what is done with it meanwhile is not."""
    block = _Block.begin(EXPORT_WAIT)
    if block is None:
        yield from chunks
        return
    while True:
        with block.entered():
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def reading() -> BaseDatabaseWrapper:
    """The connection that reads go to at this moment."""
    return connections[_alias()]


def _alias() -> str:
    block = _BLOCK.get()
    if block is None or connections[DEFAULT_DB_ALIAS].in_atomic_block:
        return DEFAULT_DB_ALIAS
    return block.alias


class Router:
    """Django's router where there is a replica. Sessions, tokens and all else that is not ours stay on the main one."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        return _alias() if model._meta.app_label == "labeling" else DEFAULT_DB_ALIAS

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        return DEFAULT_DB_ALIAS

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool:
        return True  # they are rows of the same database

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == DEFAULT_DB_ALIAS
