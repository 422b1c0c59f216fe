"""Keep the migrated tables on SQLite between test processes and runs, because migrating takes seconds."""

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
def _kept() -> Path:
    """Return the path of the kept tables of these migrations."""
    sha = hashlib.sha256(f"{django.__version__} {sqlite3.sqlite_version} {settings.INSTALLED_APPS}".encode())
    for app in apps.get_app_configs():
        for path in sorted(Path(app.path, "migrations").glob("*.py")):
            sha.update(path.name.encode() + path.read_bytes())
    return FOLDER / f"{sha.hexdigest()[:20]}.sqlite3"


@cache
def _turn() -> IO[str]:
    """Return the file whose lock is held by the process that migrates."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    return (FOLDER / "turn").open("w")


def put_tables() -> None:
    """Copy the kept tables to the test database, so that `migrate` has nothing left to do.

    Of processes that start together, the first migrates, and the others wait for its tables.
    """
    if not _kept().exists():
        fcntl.flock(_turn(), fcntl.LOCK_EX)
    if _kept().exists():
        shutil.copyfile(_kept(), connection.settings_dict["TEST"]["NAME"])
        fcntl.flock(_turn(), fcntl.LOCK_UN)


def keep_tables() -> None:
    """Keep the tables of the unused test database, and delete those of older migrations."""
    if _kept().exists():
        return
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        copy = Path(folder) / "tables"
        with closing(sqlite3.connect(connection.settings_dict["NAME"])) as database:
            database.execute("VACUUM INTO ?", [str(copy)])
        copy.replace(_kept())  # at once: another process may be at the same
    for path in FOLDER.glob("*.sqlite3"):
        if path != _kept():
            path.unlink(missing_ok=True)
    fcntl.flock(_turn(), fcntl.LOCK_UN)
