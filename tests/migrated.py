"""Keep the migrated tables, because migrating takes seconds: on SQLite for later processes and runs, on PostgreSQL for
the other processes of a run.
"""

import fcntl
import hashlib
import shutil
import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import IO

import django
from django.apps import apps
from django.conf import settings
from django.db import connection

FOLDER = Path(__file__).resolve().parent.parent / "var" / "test-tables"


@cache
def _name() -> str:
    """Return the name of the tables of these migrations."""
    sha = hashlib.sha256(f"{django.__version__} {sqlite3.sqlite_version} {settings.INSTALLED_APPS}".encode())
    for app in apps.get_app_configs():
        for path in sorted(Path(app.path, "migrations").glob("*.py")):
            sha.update(path.name.encode() + path.read_bytes())
    return sha.hexdigest()[:20]


def _path() -> Path:
    return FOLDER / f"{_name()}.sqlite3"


def _template() -> str:
    return f"test_tables_{_name()}"


def _are_kept() -> bool:
    if connection.vendor == "sqlite":
        return _path().exists()
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_template()])
        return cursor.fetchone() is not None


@cache
def _turn() -> IO[str]:
    """Return the file whose lock is held by the process that migrates."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    return (FOLDER / "turn").open("w")


def put_tables() -> None:
    """Begin the test database with the kept tables, so that `migrate` has nothing left to do.

    Of processes that start together, the first migrates, and the others wait for its tables.
    """
    if not _are_kept():
        fcntl.flock(_turn(), fcntl.LOCK_EX)
    if _are_kept():
        test = connection.settings_dict["TEST"]
        if connection.vendor == "sqlite":
            shutil.copyfile(_path(), test["NAME"])
        else:
            test["TEMPLATE"] = _template()
        fcntl.flock(_turn(), fcntl.LOCK_UN)


def keep_tables() -> None:
    """Keep the tables of the unused test database, unless they are kept."""
    if _are_kept():
        return
    if connection.vendor == "sqlite":
        _keep_file()
    else:
        connection.close()  # PostgreSQL copies no database that is in use
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {_template()} TEMPLATE {name}")
    fcntl.flock(_turn(), fcntl.LOCK_UN)


def _keep_file() -> None:
    """Keep a copy of the database, and delete those of older migrations."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        copy = Path(folder) / "tables"
        with closing(sqlite3.connect(connection.settings_dict["NAME"])) as database:
            database.execute("VACUUM INTO ?", [str(copy)])
        copy.replace(_path())  # at once: another process may be at the same
    for path in FOLDER.glob("*.sqlite3"):
        if path != _path():
            path.unlink(missing_ok=True)
