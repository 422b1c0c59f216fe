"""Test that an acknowledged answer is on the disk, and that writers take turns."""

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from django.db import OperationalError, connection, transaction
from factories import make_items, make_member, make_open_batch, make_project
from simultaneous import at_once

from config.sqlite import base
from labeling.models import Project
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.storage.db import outages

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="of the SQLite backend"),
]


def in_threads(number: int, work: Callable[[int], object]) -> None:
    at_once(*(partial(work, index) for index in range(number)))


class Disk:
    """The state of the database after a power cut: its last flushed state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.flushes = 0

    def flush(self, log: str) -> None:
        time.sleep(0.005)  # as a disk takes
        number = self.flushes + 1
        kept = self.folder / str(number)
        kept.mkdir(parents=True)
        database = log.removesuffix("-wal")
        shutil.copy(database, kept / "db")
        shutil.copy(log, kept / "db-wal")
        self.flushes = number

    def annotations(self, flush: int) -> set[str]:
        with sqlite3.connect(self.folder / str(flush) / "db") as database:
            return {row[0] for row in database.execute("SELECT id FROM labeling_annotation")}


def test_what_is_acknowledged_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 400))
    users = [make_member(project, f"user{number}") for number in range(8)]
    disk = Disk(tmp_path / "disk")
    monkeypatch.setattr(base, "flush", disk.flush)
    flush = base.Flush(f"{connection.settings_dict['NAME']}-wal")
    acknowledged: list[tuple[str, int]] = []

    def label(index: int) -> None:
        connection.ensure_connection()
        connection._flush = flush
        for _ in range(6):
            tasks = queue.claim(project=project, user=users[index], count=1).tasks
            answer = Answer(id=uuid.uuid4(), task=tasks[0].pk, value=1)
            assert submitting.submit(project=project, user=users[index], answers=[answer]).accepted
            acknowledged.append((answer.id.hex, disk.flushes))

    in_threads(8, label)
    assert len(acknowledged) == 48
    for answer_id, number in acknowledged:
        assert answer_id in disk.annotations(number)
    assert disk.flushes < 96, "those who wait at the same time share a flush"


def test_a_disk_that_fails_is_no_acknowledgement(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project()

    def fail(log: str) -> None:
        raise OSError(5, "Input/output error")

    connection._flush = base.Flush("any")
    try:
        monkeypatch.setattr(base, "flush", fail)
        with pytest.raises(OperationalError, match="Input/output") as raised, transaction.atomic():
            Project.objects.filter(pk=project.pk).update(name="new")
        assert outages.is_away(raised.value), "the client is told to send the same again"
        monkeypatch.setattr(base, "flush", lambda log: None)
        with transaction.atomic():
            Project.objects.filter(pk=project.pk).update(name="newer")
    finally:
        connection._flush = None


@pytest.mark.parametrize("how", ["close", "rollback"])
def test_a_transaction_that_does_not_end_well_leaves_all_as_it_was(how: str) -> None:
    project = make_project()
    connection._flush = base.Flush("any")
    try:
        with transaction.atomic():
            Project.objects.filter(pk=project.pk).update(name="new")
            if how == "close":
                connection.close()
            else:
                transaction.set_rollback(True)
        assert connection._turn is None
        assert Project.objects.get().name != "new"
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous")
            assert how == "close" or cursor.fetchone()[0] == 2, "a statement outside of a transaction is flushed"
    finally:
        connection._flush = None


def test_writers_take_turns() -> None:
    """A writer that writes again and again lets each other writer in within a few turns."""
    project = make_project()
    turns = [0] * 6
    all_there = threading.Barrier(6)  # on a busy machine the last thread begins after many turns

    def write(index: int) -> None:
        connection.ensure_connection()
        all_there.wait(60)
        while sum(turns) < 300:
            with transaction.atomic():
                Project.objects.filter(pk=project.pk).update(name=str(index))
                time.sleep(0.002)
            turns[index] += 1

    in_threads(6, write)
    assert min(turns) > sum(turns) / 6 / 3, turns


def test_a_writer_who_is_killed_frees_the_turn() -> None:
    """The system closes the killed writer's lock file."""
    path = f"{connection.settings_dict['NAME']}-lock"
    code = f"import fcntl, time; f = open({path!r}, 'w'); fcntl.flock(f, 2); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        began = time.monotonic()
        threading.Timer(0.3, other.kill).start()
        with transaction.atomic():
            assert time.monotonic() - began > 0.2, "it waits for its turn"
            Project.objects.update(name="mine")
