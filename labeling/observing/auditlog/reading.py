"""Read entries of the audit log: find them, name their people, export them."""

import datetime
import json
from collections.abc import Iterable, Iterator

from django.db.models import QuerySet

from labeling.models import LogEntry, Project, User
from labeling.observing.auditlog.writing import chain_name


def entries_of(
    project: Project | None,
    *,
    kind: str = "",
    person: str = "",
    since: datetime.datetime | None = None,
    until: datetime.datetime | None = None,
) -> QuerySet[LogEntry]:
    """Return the entries of the project, or of the server, that match all filters, the newest first.

    `person`: the username of whom acted, or whom the act is about. `until` is excluded.
    """
    entries = LogEntry.objects.filter(chain__name=chain_name(project)).select_related("chain").order_by("-number")
    if kind:
        entries = entries.filter(kind=kind)
    if person:
        people = list(User.objects.filter(username=person).values_list("pk", flat=True))
        entries = entries.filter(who__in=people) | entries.filter(whom__in=people)
    if since:
        entries = entries.filter(at__gte=since)
    if until:
        entries = entries.filter(at__lt=until)
    return entries


def names_of(entries: Iterable[LogEntry]) -> dict[int | None, str]:
    """Return the names of the entries' people by their ids; of removed accounts `person 17`. Takes one query."""
    ids = {pk for entry in entries for pk in (entry.who, entry.whom) if pk is not None}
    names: dict[int | None, str] = {pk: f"person {pk}" for pk in ids}
    return names | dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))


def lines(entries: QuerySet[LogEntry]) -> Iterator[bytes]:
    """Yield the entries as JSON lines, in the order of their numbers."""
    for entry in entries.order_by("number").iterator(chunk_size=1000):
        yield json.dumps(entry.line()).encode() + b"\n"
