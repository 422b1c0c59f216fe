"""The state of the server for its operators: versions, workers, people, projects by size, failed steps, backups."""

import datetime
import platform
from collections import Counter
from typing import Any, NamedTuple

import django
from django.db import connection
from django.db.models import Count, Q, QuerySet, Sum

from labeling.models import Job, LogEntry, LogKind, Project, Upload, User, WorkerSign
from labeling.models.files import file_sizes
from labeling.models.jobs import STALE_SECONDS
from labeling.projects import quota
from labeling.projects.limits import ITEMS, MEMBERS
from models_store import __version__

SIGNED_IN_DAYS = 30
LISTED = 20
"""The most failed steps that are listed."""


class People(NamedTuple):
    """The numbers of accounts."""

    active: int
    signed_in: int
    """Of the active ones, in the last `SIGNED_IN_DAYS` days."""
    staff: int
    ended: int
    """Accounts that may no longer sign in."""


class Size(NamedTuple):
    """A project with its members, items and bytes, each with its limit: None for no limit."""

    project: Project
    members: int
    member_limit: int | None
    items: int
    item_limit: int | None
    bytes: int
    limit: int


def versions() -> list[tuple[str, str]]:
    """Return the programs that the server runs on, each with its version."""
    database = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]
    number = ".".join(map(str, connection.get_database_version()))
    return [
        ("Marginalia", __version__),
        (database, number),
        ("Django", django.get_version()),
        ("Python", platform.python_version()),
    ]


def workers_at(now: datetime.datetime) -> list[tuple[WorkerSign, bool]]:
    """Return the workers of the last day, each with whether it runs: it gave a sign of life in time."""
    alive = now - datetime.timedelta(seconds=STALE_SECONDS)
    return [(each, each.seen_at >= alive) for each in WorkerSign.objects.order_by("-seen_at")]


def people_at(now: datetime.datetime) -> People:
    """Count the accounts. One query."""
    active = Q(is_active=True)
    recently = Q(last_login__gte=now - datetime.timedelta(days=SIGNED_IN_DAYS))
    counts = User.objects.aggregate(
        active=Count("pk", filter=active),
        signed_in=Count("pk", filter=active & recently),
        staff=Count("pk", filter=active & (Q(is_staff=True) | Q(is_superuser=True))),
        ended=Count("pk", filter=~active),
    )
    return People(**counts)


def sizes() -> list[Size]:
    """Return all projects, deleted ones that can be restored included, the largest first. Three queries."""
    files: Counter[str] = Counter()
    for slug, _, size in file_sizes():
        files[slug] += size
    for slug, size in Upload.objects.values_list("project__slug").annotate(Sum("bytes")).order_by():
        files[slug] += size
    projects: QuerySet[Any] = Project.objects.select_related("storage").annotate(members=Count("memberships"))
    rows = [
        Size(
            project=each,
            members=each.members,
            member_limit=MEMBERS.allowed(each.member_limit),
            items=each.imported,
            item_limit=ITEMS.allowed(each.item_limit),
            bytes=files[each.slug] + _stored(each),
            limit=quota.storage_limit(each.storage_limit_mb),
        )
        for each in quota.with_items(projects)
    ]
    return sorted(rows, key=lambda row: (-row.bytes, row.project.slug))


def _stored(project: Project) -> int:
    storage = getattr(project, "storage", None)
    return storage.media_bytes + storage.row_bytes if storage else 0


def failed_steps() -> list[Job]:
    """Return the newest failed steps that were not tried again, in all projects."""
    failed = Job.objects.filter(state=Job.State.FAILED, project__deleted_at=None)
    return list(failed.select_related("project", "batch").order_by("-finished_at", "-pk")[:LISTED])


def last_backup() -> LogEntry | None:
    """Return the audit log's entry of the newest finished backup."""
    return LogEntry.objects.filter(chain__name="server", kind=LogKind.BACKED_UP).order_by("-number").first()
