"""Copy the database into a file while people use it, and bring it back from there."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient

from labeling.backups.refused import BackupRefused


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


def load(folder: Path) -> None:
    """Fill the empty database from the copy in the folder: with all of it, or after an error or a kill with nothing.
    Raises `BackupRefused`.
    """
    path = folder / copy_name()
    connection.close()
    if connection.vendor == "sqlite":
        target = Path(connection.settings_dict["NAME"])
        draft = target.with_name(f"{target.name}.restoring")
        shutil.copyfile(path, draft)
        for suffix in ("-wal", "-shm"):  # of the empty database
            target.with_name(target.name + suffix).unlink(missing_ok=True)
        draft.replace(target)
    else:
        _run("pg_restore", ["--single-transaction", "--exit-on-error", "--no-owner", str(path)], target="--dbname=")


def _run(program: str, arguments: list[str], *, target: str = "") -> None:
    """Run a program of PostgreSQL against the database. `target`: the option that names it there."""
    path = shutil.which(program)
    if path is None:
        raise BackupRefused(f"{program} is missing: install PostgreSQL's client programs.")
    # Django knows how to connect with the server's own programs; the last argument is the database's name.
    [_, *server, name], login = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    command = [path, *arguments, *server, f"{target}{name}"]
    done = subprocess.run(  # noqa: S603  the operator's own settings
        command, env=login or {}, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        raise BackupRefused(f"{program} failed: {' '.join(done.stderr.split())}")
