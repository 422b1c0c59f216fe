"""What a monitor asks: whether the installation can work, and figures of its pending work and the room it takes.

The checks need no login, so their details go to the log only. Each scrape reads the figures, so they come from indexes,
counters and tables with few rows. All web servers of an installation return the same figures.
"""

import datetime
import logging
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import Error, transaction
from django.db.models import Count, Min, Q, Sum

from labeling.loop import signs
from labeling.models import Assignment, Batch, Job, ProjectStorage, Upload
from labeling.models.files import file_owners, file_sizes
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


class Figure(NamedTuple):
    """A gauge: a number for each combination of label values."""

    name: str
    help: str
    labels: tuple[str, ...]
    values: Mapping[tuple[str, ...], float]


def figures(now: datetime.datetime) -> Iterator[Figure]:
    """Yield all figures from the database. Takes nine queries, independent of the number of projects."""
    yield from _jobs_and_batches()
    yield from _due(now)
    yield from _open_batches(now)
    yield from _leases(now)
    yield _bytes()
    yield Figure("marginalia_workers", "Workers with a sign of life in the last minute.", (), {(): signs.alive(now)})


def disk() -> Iterator[Figure]:
    """Yield the free and total bytes of the disk of `DATA_DIR`, which this machine may share. Takes no query."""
    usage = shutil.disk_usage(settings.DATA_DIR)
    yield Figure("marginalia_disk_free_bytes", "Free room on the disk of DATA_DIR.", (), {(): usage.free})
    yield Figure("marginalia_disk_size_bytes", "Size of the disk of DATA_DIR.", (), {(): usage.total})


def _jobs_and_batches() -> Iterator[Figure]:
    jobs = dict(Job.objects.order_by().values_list("state").annotate(Count("pk")))
    yield Figure("marginalia_jobs", "Background steps by state.", ("state",), _each(Job.State.values, jobs))
    batches = dict(Batch.objects.order_by().values_list("state").annotate(Count("pk")))
    yield Figure("marginalia_batches", "Batches by state.", ("state",), _each(Batch.State.values, batches))


def _due(now: datetime.datetime) -> Iterator[Figure]:
    due = Job.objects.startable().waiting().filter(run_after__lte=now).order_by()
    kinds = list(due.values_list("kind").annotate(Count("pk"), Min("run_after")))
    counts = {kind: count for kind, count, _ in kinds}
    ages = {kind: (now - since).total_seconds() for kind, _, since in kinds}
    labels = ("kind",)
    yield Figure("marginalia_due_jobs", "Steps that wait for a worker.", labels, _each(Job.Kind, counts))
    text = "Time that the oldest due step has waited for a worker."
    yield Figure("marginalia_oldest_due_job_seconds", text, labels, _each(Job.Kind, ages))


def _open_batches(now: datetime.datetime) -> Iterator[Figure]:
    """Yield the age and the remaining tasks of open batches, by project, because each project has its own people."""
    batches = Batch.objects.open().filter(project__archived_at=None, project__deleted_at=None, opened_at__isnull=False)
    by_project = batches.order_by().values_list("project__slug").annotate(Min("opened_at"), Sum("remaining"))
    projects = list(by_project)
    ages: dict[tuple[str, ...], float] = {(slug,): (now - since).total_seconds() for slug, since, _ in projects}
    left: dict[tuple[str, ...], float] = {(slug,): remaining for slug, _, remaining in projects}
    yield Figure("marginalia_open_batch_age_seconds", "Time since the open batch was opened.", ("project",), ages)
    yield Figure("marginalia_open_batch_tasks_left", "Tasks of open batches that lack answers.", ("project",), left)


def _leases(now: datetime.datetime) -> Iterator[Figure]:
    lapsed = Count("pk", filter=Q(lease_expires_at__lte=now))
    leases = Assignment.objects.pending().aggregate(held=Count("pk"), lapsed=lapsed)
    yield Figure("marginalia_leases", "Assignments that annotators hold.", (), {(): leases["held"]})
    text = "Assignments whose lease has run out: the next annotator without a free task gets their task."
    yield Figure("marginalia_lapsed_leases", text, (), {(): leases["lapsed"]})


def _bytes() -> Figure:
    """Return the bytes of each project, from counters that follow each file; the disk is not looked at."""
    sizes: dict[tuple[str, ...], float] = {}
    for files, model, field in (
        ("media", ProjectStorage, "media_bytes"),
        ("rows", ProjectStorage, "row_bytes"),
        ("waiting", Upload, "bytes"),
    ):
        by_project = model.objects.order_by().values_list("project__slug").annotate(Sum(field))
        sizes |= {(slug, files): size or 0 for slug, size in by_project}
    sizes |= {(slug, noun): size for slug, noun, size in file_sizes()}
    owned = ", ".join(table.noun for table in file_owners())
    text = f"Space that a project takes: media, rows in the database, uploads that wait to be imported, {owned}."
    return Figure("marginalia_project_bytes", text, ("project", "files"), sizes)


def _each(names: Iterable[str], numbers: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    """Return a number for each name, 0 for missing ones: a monitor cannot watch a series that comes and goes."""
    return {(name,): numbers.get(name, 0) for name in names}
