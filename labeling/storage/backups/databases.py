"""Copy the database into a file while people use it, and bring it back from there."""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from django.core.management import call_command
from django.db import Error, connection
from django.db.backends.postgresql.client import DatabaseClient
from django.db.migrations.exceptions import InconsistentMigrationHistory


class BackupRefused(Exception):
    """A backup cannot be made or restored; the message says why in one line."""


def copy_name() -> str:
    """Return the name of the copy's file, which tells the kind of database."""
    return "db.sqlite3" if connection.vendor == "sqlite" else "database.dump"


def copy_to(folder: Path) -> Path:
    """Write a copy of the database, as it is at one moment, into the folder. Raises `BackupRefused`."""
    path = folder / copy_name()
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(connection.settings_dict["NAME"])) as database:
            database.execute("VACUUM INTO ?", [str(path)])
    else:
        _run("pg_dump", ["--format=custom", "--no-owner", f"--file={path}"])
    return path


def check_copy(folder: Path) -> None:
    """Read the whole copy in the folder. Raises `BackupRefused` if it is damaged, or no database of Marginalia."""
    path = folder / copy_name()
    if connection.vendor != "sqlite":
        _run("pg_restore", ["--file=/dev/null", str(path)], connects=False)
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            problem = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            ours = database.execute("SELECT 1 FROM django_migrations WHERE app = 'labeling'").fetchone()
    except sqlite3.DatabaseError as error:
        raise BackupRefused(f"{path} is no database of Marginalia: {error}.") from error
    if problem != "ok" or not ours:
        raise BackupRefused(f"{path} is no whole database of Marginalia.")


@contextmanager
def loaded(folder: Path) -> Iterator[None]:
    """Fill the empty database from the copy in the folder, with its tables updated to this release, after the block:
    with all of it, or after an error or a kill with nothing, but that on PostgreSQL the tables may wait for the update.
    Raises `BackupRefused`.
    """
    path = folder / copy_name()
    connection.close()
    if connection.vendor == "sqlite":
        target = Path(connection.settings_dict["NAME"])
        draft = target.with_name(f"{target.name}.restoring")
        try:
            shutil.copyfile(path, draft)
            connection.settings_dict["NAME"] = str(draft)
            _update()
            yield
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        finally:
            connection.close()
            connection.settings_dict["NAME"] = str(target)
            for each in (target, draft):  # of the empty database, and of the draft, which is closed
                for suffix in ("-wal", "-shm", "-lock"):
                    each.with_name(each.name + suffix).unlink(missing_ok=True)
        draft.replace(target)
    else:
        yield
        _run("pg_restore", ["--single-transaction", "--exit-on-error", "--no-owner", str(path)], target="--dbname=")
        _update()


def _update() -> None:
    try:
        call_command("migrate", verbosity=0)
    except (Error, InconsistentMigrationHistory, LookupError, ValueError) as error:
        raise BackupRefused(f"The tables cannot be updated to this release: {' '.join(str(error).split())}") from error


def _run(program: str, arguments: list[str], *, target: str = "", connects: bool = True) -> None:
    """Run a program of PostgreSQL, by default against the database. `target`: the option that names it there."""
    path = shutil.which(program)
    if path is None:
        raise BackupRefused(f"{program} is missing: install PostgreSQL's client programs.")
    # Django knows how to connect with the server's own programs; the last argument is the database's name.
    [_, *server, name], login = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    command = [path, *arguments, *([*server, f"{target}{name}"] if connects else [])]
    done = subprocess.run(  # noqa: S603  the operator's own settings
        command, env=login or {}, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        raise BackupRefused(f"{program} failed: {' '.join(done.stderr.split())}")
