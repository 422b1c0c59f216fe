"""Tables as they once were, to see what a migration makes of the rows in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

NAME = "marginalia_old_tables"


@contextmanager
def old_tables(folder: Path) -> Iterator[Callable[[str], Any]]:
    """A database of its own, empty at first, in place of the tests': gives what takes it forward to a migration of
    `labeling` and returns the models of then. For tests with transactions of their own.

    All the way back from the newest tables, and forth again behind the test, takes ten times as long.
    """
    on_sqlite = connection.vendor == "sqlite"
    usual = connection.settings_dict["NAME"]
    if not on_sqlite:
        _run(f"CREATE DATABASE {NAME}")
    _use(str(folder / "old.sqlite3") if on_sqlite else NAME)
    try:
        yield _forward
    finally:
        _use(usual)
        if not on_sqlite:
            _run(f"DROP DATABASE {NAME}")


def _forward(migration: str) -> Any:
    target = [("labeling", migration)]
    MigrationExecutor(connection).migrate(target)
    return MigrationExecutor(connection).loader.project_state(target).apps


def _use(name: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = name


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
