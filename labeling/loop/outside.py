"""Places for steps that ask servers outside: sources, prediction servers, servers for embeddings, MLflow.

Such a server can be silent, send its answer byte by byte, or never end. So these steps have places of their own in each
worker, and never hold those of other steps, also of the same project. Of these places a person's steps, and the steps
that ask one server, have few, on all workers together. A long step gives its place to the next one.
"""

from collections import Counter

from django.db.models import BigIntegerField, BooleanField, Case, CharField, Exists, F, OuterRef, Q, Subquery, When
from django.db.models.functions import Cast, Coalesce

from labeling.models import EmbeddingServer, Job, Reference, Source
from labeling.models.job_kinds import Kind
from labeling.models.jobs import JobQuerySet

PLACES = 4
"""The steps that a worker runs at a time, in addition to the others."""
MOST_OF_PERSON, MOST_AT_SERVER = 2, 2
"""The steps for one person, and for one server of sources, that all workers run at a time."""
SLICE_SECONDS = 600.0
"""A resumable step gives way after this time, whether or not another waits."""
MOST_SECONDS = 3600.0
"""A step that does not come to an end or to a point where it can give way is ended after this time."""


def _kinds(when: str) -> list[str]:
    return [kind.value for kind in Kind if kind.facts.asks_outside == when]


_WITH_FILES = Q(kind__in=_kinds("sources of files"))
_ENCODING = _WITH_FILES | Q(kind__in=_kinds("encoders"))
_OUTSIDE = (
    Q(kind__in=_kinds("always"))
    | Q(kind__in=_kinds("its source"), item_import__source__isnull=False)
    | Q(kind__in=_kinds("its server"), prediction_set__path="")
    | (_WITH_FILES & Exists(Reference.objects.filter(project=OuterRef("project"))))
    | (_ENCODING & Exists(EmbeddingServer.objects.filter(project=OuterRef("project"))))
)
_IS_OUTSIDE = Case(When(_OUTSIDE, then=True), default=False, output_field=BooleanField())


def outside(jobs: JobQuerySet) -> JobQuerySet:
    """Return the jobs whose steps ask servers outside, with the id of the `source` that they ask, if it is one, and of
    the `asker`: the person who added it, began the step or created the project; otherwise minus the project's id.
    """
    named = Source.objects.annotate(text=Cast("pk", CharField()))
    looked_at = named.filter(project=OuterRef("project"), text=OuterRef("occasion"))
    of_files = Reference.objects.filter(project=OuterRef("project"))
    source = Case(
        When(kind=Kind.SOURCE, then=Subquery(looked_at.values("pk")[:1])),
        When(_WITH_FILES, then=Subquery(of_files.values("source")[:1])),
        default=F("item_import__source"),
        output_field=BigIntegerField(),
    )
    added_by = Subquery(Source.objects.filter(pk=OuterRef("source")).values("created_by"))
    asker = Coalesce(
        added_by,
        "prediction_set__created_by",
        "tracked__created_by",
        "project__created_by",
        F("project_id") * -1,
        output_field=BigIntegerField(),
    )
    return jobs.alias(is_outside=_IS_OUTSIDE).filter(is_outside=True).annotate(source=source).annotate(asker=asker)


def inside(jobs: JobQuerySet) -> JobQuerySet:
    """Return the other jobs."""
    return jobs.alias(is_outside=_IS_OUTSIDE).filter(is_outside=False)


def startable(due: JobQuerySet, *, without: Job | None = None) -> JobQuerySet:
    """Return the due jobs outside whose person and server have few such steps now, that of `without` not counted."""
    others = Job.objects.running().exclude(pk=without.pk) if without else Job.objects.running()
    running = list(outside(others).values_list("asker", "source"))  # type: ignore[misc]
    persons = Counter(asker for asker, _ in running)
    due = outside(due).exclude(Q(asker__in=[asker for asker, n in persons.items() if n >= MOST_OF_PERSON]))
    asked = Source.objects.only("address", "options")
    present = asked.in_bulk({source for _, source in running if source is not None})
    servers = Counter(present[source].server for _, source in running if source in present)
    full = {server for server, n in servers.items() if n >= MOST_AT_SERVER}
    at_them = [each.pk for each in asked if each.server in full] if full else []
    return due.filter(Q(source=None) | ~Q(source__in=at_them))
