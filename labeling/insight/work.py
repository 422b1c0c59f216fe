"""The times of people's answers, and each person's work in a batch."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import CharField, Count, Max, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Cast, Least, Substr

from labeling.labels.counting import MINUTES, start_of, start_of_day, time_of
from labeling.models import Annotation, Assignment, Batch, Project, Task, WorkLog
from labeling.models.annotations import AssignmentQuerySet


@dataclass(frozen=True, slots=True)
class Slice:
    """The number of answers in the slice of time that begins at `start`."""

    start: datetime.datetime
    answers: int


# The lengths of slices, and the number of leading characters of "2026-01-31 09:55:00" that identify a slice.
SLICES = ((datetime.timedelta(minutes=10), 15), (datetime.timedelta(hours=1), 13), (datetime.timedelta(days=1), 10))
# At most twice the length of a work log's slice counts: an item that stays open overnight is no work.
SPENT = Sum(Least("seconds", Value(2.0 * MINUTES * 60)))
# The most slices in a readable chart.
MOST_SLICES = 72


def slice_length(since: datetime.datetime, now: datetime.datetime) -> tuple[datetime.timedelta, int]:
    """Return the finest slices of which at most `MOST_SLICES` cover the time since `since`, else the coarsest."""
    fits = (each for each in SLICES if (now - since) / each[0] <= MOST_SLICES)
    return next(fits, SLICES[-1])


def answers_by_time(
    project: Project, since: datetime.datetime, now: datetime.datetime
) -> tuple[list[Slice], datetime.timedelta]:
    """Return the slices with answers, in order, and their length. At most the newest `MOST_SLICES` days.

    Groups by the first characters of the time as text: both databases do that without a Python function for each row.
    """
    length, letters = slice_length(since, now)
    since = max(since, now - MOST_SLICES * length)
    rows = (
        WorkLog.objects.by_people(project)
        .filter(start__gte=start_of(since), answers__gt=0)
        .annotate(slice=Substr(Cast("start", CharField()), 1, letters))
        .values("slice")
        .annotate(n=Sum("answers"))
    )
    slices = [Slice(time_of(row["slice"]), row["n"]) for row in rows]
    return sorted(slices, key=lambda each: each.start), length


def hours_of(project: Project, batches: Sequence[Batch]) -> dict[int, float]:
    """Return the hours that people spent on each of these batches, skips included, by the batch's key."""
    spent = WorkLog.objects.by_people(project).filter(batch__in=batches).values_list("batch").annotate(total=SPENT)
    return {pk: seconds / 3600 for pk, seconds in spent if seconds > 0}


@dataclass(frozen=True, slots=True)
class Worked:
    """The sums of one person's work; `today` are the answers since midnight."""

    user: int
    username: str
    answers: int
    skips: int
    today: int
    seconds: float
    last_at: datetime.datetime
    since: datetime.datetime | None
    """The time of the person's `sample`-th newest answer, in any project; None if there are fewer answers."""


def worked(logs: QuerySet[WorkLog], now: datetime.datetime, sample: int = 1) -> list[Worked]:
    """Return the sums of these logs for each person, and the time of the `sample`-th newest answer. Takes one query."""
    newest = Annotation.objects.by_people().filter(user=OuterRef("user")).order_by("-created_at").values("created_at")
    rows = (
        logs.filter(Q(answers__gt=0) | Q(skips__gt=0))  # without logs whose answers and skips were all undone
        .values_list("user", "user__username")
        .annotate(
            n_answers=Sum("answers"),
            n_skips=Sum("skips"),
            today=Sum("answers", filter=Q(start__gte=start_of_day(now)), default=0),
            total=SPENT,
            last=Max("last_at"),
        )
        .annotate(since=Subquery(newest[sample - 1 : sample]))
    )
    return [Worked(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Contribution:
    """One annotator's answers and skips in a batch, and the number of assignments that the annotator holds now."""

    username: str
    answers: int
    skips: int
    held: int
    last_at: datetime.datetime | None


def held_in(batches: QuerySet[Batch], now: datetime.datetime) -> AssignmentQuerySet:
    """Return the assignments with a running lease on tasks of these batches."""
    # A subquery for each of the few assignments: for a join, SQLite would read all tasks of the batch.
    task = Task.objects.filter(pk=OuterRef("task"), batch__in=batches)
    held = Assignment.objects.pending().filter(lease_expires_at__gt=now)
    return held.annotate(in_batch=Subquery(task.values("batch")[:1])).filter(in_batch__isnull=False).order_by()


def contributions_of(batch: Batch, now: datetime.datetime) -> list[Contribution]:
    """Return the contributions of all people who work on the batch, most answers and skips first. Takes two queries."""
    worked_rows = worked(WorkLog.objects.filter(batch=batch), now)
    holding = held_in(Batch.objects.filter(pk=batch.pk), now)
    held = dict(holding.values_list("user__username").annotate(n=Count("pk")))
    contributions = [
        Contribution(each.username, each.answers, each.skips, held.pop(each.username, 0), each.last_at)
        for each in worked_rows
    ]
    contributions += [Contribution(username, 0, 0, n, None) for username, n in held.items()]
    return sorted(contributions, key=lambda each: (-each.answers - each.skips, each.username))


@dataclass(frozen=True, slots=True)
class AskedAnswers:
    """The number of answers that a batch asks for in `total`: answered, skipped, held by annotators, and open."""

    total: int
    answered: int
    skipped: int
    held: int

    @property
    def open(self) -> int:
        return max(0, self.total - self.answered - self.skipped - self.held)


def asked_answers_of(batch: Batch, contributions: Sequence[Contribution]) -> AskedAnswers:
    """Return the answers that the batch asks for, by their state, from the contributions to it. At most one query."""
    extra = 0
    if batch.overlap_max is not None:
        extra = batch.tasks.aggregate(n=Sum("extra", default=0))["n"]
    return AskedAnswers(
        total=batch.size * batch.overlap + extra,
        answered=sum(each.answers for each in contributions),
        skipped=sum(each.skips for each in contributions),
        held=sum(each.held for each in contributions),
    )
