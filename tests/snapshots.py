"""A state that a file's tests begin with, made once. For tests with transactions of their own, on SQLite."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.db import connection


class Snapshot:
    """Rows and files of a test, to be laid out for others that begin with the same."""

    def __init__(self, folder: Path) -> None:
        """`folder`: an empty one, which lasts as long as the snapshot."""
        self._rows, self._files = folder / "rows.sqlite3", folder / "files"

    def keep(self) -> None:
        """Keep the rows and files that there are now."""
        with closing(sqlite3.connect(connection.settings_dict["NAME"])) as database:
            database.execute("VACUUM INTO ?", [str(self._rows)])
        shutil.copytree(settings.DATA_DIR, self._files)

    def lay(self) -> bool:
        """Put what was kept in place of this test's rows and files; false if nothing was kept yet."""
        if not self._rows.exists():
            return False
        rows, database = sqlite3.connect(self._rows), sqlite3.connect(connection.settings_dict["NAME"])
        with closing(rows), closing(database):
            rows.backup(database)
        shutil.copytree(self._files, settings.DATA_DIR, dirs_exist_ok=True)
        return True
