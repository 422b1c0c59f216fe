"""SQLite's backend with a fair queue of writers and group commit.

Django's backend, with two changes for transactions that write:

- The writers of a machine queue in the kernel for a lock on a file beside the database. SQLite itself polls after 1,
  2, 5, … 100 ms, so that a writer that polls at the right moment is served first, and others wait for seconds.
- An acknowledged transaction survives a power cut: after its commit it waits until the write-ahead log is on the disk.
  It waits without the lock, and one flush serves all transactions that committed before the flush: a group commit.
  SQLite's own `synchronous=FULL` flushes for each commit, while all other writers wait.

See docs/decisions/04-claims-in-few-statements.md.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from django.db import OperationalError
from django.db.backends.sqlite3 import base

from config.sqlite.checkpoint import checkpoint, empty_log, flush, is_due

# Longer statements have many values, and are seldom repeated.
REMEMBERED_LETTERS = 4000


class Cursor(base.SQLiteCursorWrapper):
    """Caches the conversion of statements for the driver, `?` for `%s`, which Django repeats for each execution."""

    def convert_query(self, query: str, *, param_names: Any = None) -> str:
        if param_names is None and len(query) <= REMEMBERED_LETTERS:
            return _converted(query)
        converted: str = super().convert_query(query, param_names=param_names)
        return converted


@lru_cache(maxsize=1000)
def _converted(query: str) -> str:
    return base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection of one thread."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn: int | None = None  # the lock file, while it is this connection's turn to write
        self._turn_began = 0.0
        self.turn_seconds = 0.0
        """The seconds that the last turn took, without the wait for the disk after it."""
        self._flush: Flush | None = None

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        # Tests set `flush` to False: their database is temporary.
        self._flush = _flush_of(f"{params['database']}-wal") if params.pop("flush", True) else None
        return params

    def create_cursor(self, name: str | None = None) -> Cursor:
        return self.connection.cursor(factory=Cursor)

    def _start_transaction_under_autocommit(self) -> None:
        if not self.is_in_memory_db():
            self._take_turn()
        try:
            self._commit_with_flush(False)
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # the stubs lack it
        except BaseException:
            self._end_turn()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]  # the stubs lack it
        if self._turn is not None:
            self._end_turn()
            self._commit_with_flush(True)
            if self._flush:
                self._flush.wait()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]  # the stubs lack it
        finally:
            self._end_turn()
        self._commit_with_flush(True)

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]  # the stubs lack it
        finally:
            self._end_turn()

    def _commit_with_flush(self, own: bool) -> None:
        """Make SQLite flush each commit (`own`), or leave that to `Flush`, which serves only transactions."""
        if self._flush and self.connection is not None:
            self.connection.execute(f"PRAGMA synchronous={'FULL' if own else 'NORMAL'}")

    def keep_log_short(self) -> None:
        """Checkpoint a long write-ahead log in small pieces. For steps of the worker, which may take longer."""
        if self._flush and not self.in_atomic_block and is_due(self.settings_dict["NAME"]):
            checkpoint(str(self.settings_dict["NAME"]), self._alone())

    def rewrite(self) -> None:
        """Write the database anew: it then has no trace of removed rows. Other writers wait meanwhile.

        The new database is written beside the old one first. SQLite's folder for that, such as `/tmp`, may be small.
        """
        with self._alone(), self.cursor() as cursor:
            if not cursor.execute("PRAGMA temp_store_directory").fetchall():  # of the process: to change it is not safe
                folder = str(Path(self.settings_dict["NAME"]).parent).replace("'", "''")
                cursor.execute(f"PRAGMA temp_store_directory = '{folder}'")
            cursor.execute("VACUUM")

    def empty_log(self) -> bool:
        """Empty the write-ahead log, which has earlier states of rows. Return False if a reader still needs it."""
        return empty_log(str(self.settings_dict["NAME"]), self._alone())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._take_turn()
        try:
            yield
        finally:
            self._end_turn()

    def _take_turn(self) -> None:
        self._turn = os.open(f"{self.settings_dict['NAME']}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        self._turn_began = time.monotonic()

    def _end_turn(self) -> None:
        if self._turn is not None:
            fcntl.flock(self._turn, fcntl.LOCK_UN)
            os.close(self._turn)
            self._turn = None
            self.turn_seconds = time.monotonic() - self._turn_began


class Flush:
    """Flushes a file to the disk, once for all threads that wait for it at the same time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._condition = threading.Condition()
        self._started = self._done = 0
        self._running = False

    def wait(self) -> None:
        """Wait until everything that was written to the file before this call is on the disk.

        Raises `OperationalError` if the disk fails.
        """
        with self._condition:
            # A flush that runs already may have missed the last writes: wait for the next one.
            needed = self._started + 1
            while self._done < needed:
                if self._running:
                    self._condition.wait()
                else:
                    self._run()

    def _run(self) -> None:
        self._running, self._started = True, self._started + 1
        number = self._started
        self._condition.release()
        try:
            flush(self._path)
        except OSError as error:
            number = self._done
            # The transaction is committed, but a power cut may undo it: the error makes the client send it again.
            raise OperationalError(f"The database could not be written to the disk: {error}") from error
        finally:
            self._condition.acquire()
            self._running, self._done = False, number
            self._condition.notify_all()


@cache
def _flush_of(path: str) -> Flush:
    """Return the `Flush` of this process for the file at `path`. Two, made at the same time, are correct as well."""
    return Flush(path)
