"""Check whether the installation can write to its database, store files and run background steps.

The endpoint needs no login, so the details go to the log only.
"""

import datetime
import logging
import shutil
import tempfile
import uuid
from typing import NamedTuple

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import Error, transaction

from labeling.loop import signs
from labeling.storage.disk.files import is_full

logger = logging.getLogger(__name__)

# The content of the test file.
PROBE = bytes(4096)


class ReadinessCheck(NamedTuple):
    """The result of one check: its name, whether it passed, and its state in one line."""

    name: str
    ok: bool
    state: str


def checks(now: datetime.datetime) -> list[ReadinessCheck]:
    """Run all checks: the database, the disk, the worker."""
    return [_database(now), _disk(), _worker(now)]


def _database(now: datetime.datetime) -> ReadinessCheck:
    """Write a row and remove it again, in one committed transaction."""
    try:
        with transaction.atomic():
            Session.objects.create(session_key=f"ready{uuid.uuid4().hex}", session_data="", expire_date=now).delete()
    except Error as error:
        logger.exception("The database takes no writes.")
        if is_full(error):
            return ReadinessCheck("database", False, "The disk of the database is full: free space on it.")
        return ReadinessCheck("database", False, "The database does not answer, or takes no writes: see the log.")
    return ReadinessCheck("database", True, "It takes writes.")


def _disk() -> ReadinessCheck:
    """Check the free room of `DATA_DIR`, and write a file there."""
    free = shutil.disk_usage(settings.DATA_DIR).free
    if free < settings.READY_FREE_MB << 20:
        logger.error("%d MB are free on the disk of DATA_DIR, fewer than READY_FREE_MB.", free >> 20)
        return ReadinessCheck("disk", False, "The disk of DATA_DIR is full or nearly so: free space on it.")
    try:
        with tempfile.TemporaryFile(dir=settings.DATA_DIR) as file:
            file.write(PROBE)
            file.flush()
    except OSError:
        logger.exception("No file can be written to DATA_DIR.")
        return ReadinessCheck("disk", False, "No file can be written to DATA_DIR: see the log.")
    return ReadinessCheck("disk", True, "There is room, and files can be written.")


def _worker(now: datetime.datetime) -> ReadinessCheck:
    try:
        alive = signs.alive(now)
    except Error:  # the check of the database has logged it
        return ReadinessCheck("worker", False, "Not known while the database does not answer.")
    if not alive:
        return ReadinessCheck("worker", False, "No worker was seen for a minute: background steps wait. Start one.")
    return ReadinessCheck("worker", True, "A worker was seen within the last minute.")
