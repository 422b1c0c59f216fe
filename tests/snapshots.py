"""A starting state that a file's tests share and that is created once. For tests with transactions of their own, on
SQLite.
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.db import connection


class Snapshot:
    """The rows and files of a test, for other tests that start with the same."""

    def __init__(self, folder: Path) -> None:
        """`folder`: an empty folder that exists as long as the snapshot."""
        self._rows, self._files = folder / "rows.sqlite3", folder / "files"

    def keep(self) -> None:
        """Store the current rows and files."""
        with closing(sqlite3.connect(connection.settings_dict["NAME"])) as database:
            database.execute("VACUUM INTO ?", [str(self._rows)])
        shutil.copytree(settings.DATA_DIR, self._files)

    def lay(self) -> bool:
        """Replace this test's rows and files by the stored ones; return False if there are none."""
        if not self._rows.exists():
            return False
        rows, database = sqlite3.connect(self._rows), sqlite3.connect(connection.settings_dict["NAME"])
        with closing(rows), closing(database):
            rows.backup(database)
        shutil.copytree(self._files, settings.DATA_DIR, dirs_exist_ok=True)
        return True
