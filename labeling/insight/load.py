"""The installation's pending work and the room it takes: figures for a monitor, from the database.

Each scrape reads them, so they come from indexes, counters and tables with few rows. All web servers of an installation
return the same figures.
"""

import datetime
import shutil
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count, Min, Q, Sum

from labeling.loop import signs
from labeling.models import Assignment, Batch, Job, ProjectStorage, Upload
from labeling.models.file_owners import file_owners, file_sizes


class Figure(NamedTuple):
    """A gauge: a number for each combination of label values."""

    name: str
    help: str
    labels: tuple[str, ...]
    values: Mapping[tuple[str, ...], float]


def figures(now: datetime.datetime) -> Iterator[Figure]:
    """Yield all figures from the database. Takes nine queries, independent of the number of projects."""
    yield from _states()
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


def _states() -> Iterator[Figure]:
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
