"""Overwrite what removed rows leave in the files of an SQLite database: words in the search index, and earlier states
of rows in the write-ahead log and in unused parts of pages.

PostgreSQL's files are left to the operator: see docs/how-to/take-items-out.md.
"""

import datetime
import logging
import shutil
import sqlite3
from pathlib import Path

from django.db import DatabaseError, connection
from django.db.models import Max

from labeling.labels.items import search
from labeling.models import Leftover
from labeling.storage.db.long_writes import exclusive

logger = logging.getLogger(__name__)

# To write the search index and the database anew takes long for what is rarely urgent.
PAUSE = datetime.timedelta(hours=1)
# Until the next try to empty a log that a reader uses: writers wait during each try.
RETRY = datetime.timedelta(minutes=1)
MOST_BYTES = 512 << 20
"""A larger database is not written anew, because writers would wait for too long. Then a few pieces of removed rows, in
a test of three items in a thousand, stay in unused parts of pages until other rows take these."""


class Leftovers:
    """Overwrites leftovers at each call if rows are to be erased at once, else at most once an hour."""

    def __init__(self) -> None:
        self._next: datetime.datetime | None = None
        self._rewritten_to = 0
        """The last leftover that the index and the database no longer have; the log may still have it."""
        self._retry_at: datetime.datetime | None = None

    def __call__(self, now: datetime.datetime) -> None:
        leftovers = Leftover.objects.all()
        last = leftovers.aggregate(last=Max("pk"))["last"]
        if last is None or (self._retry_at is not None and now < self._retry_at):
            return
        if connection.vendor == "postgresql":
            leftovers.filter(pk__lte=last).delete()
            return
        with exclusive("leftovers") as alone:
            if alone:
                self._overwrite(last, now)

    def _overwrite(self, last: int, now: datetime.datetime) -> None:
        """Overwrite the leftovers up to `last`, unless it is too early for those that are not urgent."""
        leftovers = Leftover.objects.filter(pk__lte=last)
        try:
            if last > self._rewritten_to:
                if self._next is not None and now < self._next and not leftovers.filter(urgent=True).exists():
                    return
                self._next = now + PAUSE
                search.drop_forgotten()
                if _can_be_rewritten(Path(connection.settings_dict["NAME"])):
                    connection.rewrite()  # type: ignore[attr-defined]  # of config.sqlite
                self._rewritten_to = last
            if connection.empty_log():  # type: ignore[attr-defined]
                leftovers.delete()
                self._retry_at = None
            else:
                self._retry_at = now + RETRY
                logger.info("The log of the database is in use. It is emptied later.")
        except (DatabaseError, sqlite3.Error) as error:
            self._retry_at = now + PAUSE
            logger.error("What removed rows leave in the database's files stays for an hour: %s", error)


def _can_be_rewritten(database: Path) -> bool:
    """Return whether the database is small enough, and the disk has room for the new one and the log."""
    size = database.stat().st_size
    return size <= MOST_BYTES and shutil.disk_usage(database.parent).free > 3 * size
