"""When people answered, and what each has done in one batch."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import CharField, Count, Max, Q, Sum
from django.db.models.functions import Cast, Substr

from labeling.models import Annotation, Assignment, Batch, Project

ANSWER, SKIP = Q(value__isnull=False), Q(value__isnull=True)


@dataclass(frozen=True, slots=True)
class Slice:
    """Answers that were given from `start` on, for as long as the slices are."""

    start: datetime.datetime
    answers: int


# How long slices are, and how many letters of "2026-01-31 09:55:00" tell them apart.
SLICES = ((datetime.timedelta(minutes=10), 15), (datetime.timedelta(hours=1), 13), (datetime.timedelta(days=1), 10))
# At most so many slices make a chart that can be read.
MOST_SLICES = 72


def slice_length(since: datetime.datetime, now: datetime.datetime) -> tuple[datetime.timedelta, int]:
    """The finest slices of which there are not too many since then."""
    fits = (each for each in SLICES if (now - since) / each[0] <= MOST_SLICES)
    return next(fits, SLICES[-1])


def answers_by_time(
    project: Project, since: datetime.datetime, now: datetime.datetime
) -> tuple[list[Slice], datetime.timedelta]:
    """The slices in which there were answers, in order, and their length. The newest `MOST_SLICES` days at most.

    The beginning of a time as text is what both databases can group by without calling out for every row.
    """
    length, letters = slice_length(since, now)
    since = max(since, now - MOST_SLICES * length)
    found = (
        Annotation.objects.answers()
        .filter(task__batch__project=project, created_at__gte=since)
        .order_by()
        .annotate(slice=Substr(Cast("created_at", CharField()), 1, letters))
        .values("slice")
        .annotate(n=Count("pk"))
    )
    slices = [Slice(_start(row["slice"]), row["n"]) for row in found]
    return sorted(slices, key=lambda each: each.start), length


def _start(text: str) -> datetime.datetime:
    """The beginning of the slice that "2026-01-31", "2026-01-31 09" or "2026-01-31 09:5" stands for."""
    whole = text + "0000-00-00 00:00"[len(text) :]
    return datetime.datetime.strptime(whole, "%Y-%m-%d %H:%M").replace(tzinfo=datetime.UTC)


def hours_of(batches: Sequence[Batch]) -> dict[int, float]:
    """Hours that people spent on each of these batches, skips included, by the batch's key."""
    spent = Annotation.objects.standing().filter(task__batch__in=batches).order_by().values_list("task__batch")
    return {pk: seconds / 3600 for pk, seconds in spent.annotate(total=Sum("seconds"))}


@dataclass(frozen=True, slots=True)
class Part:
    """What one annotator has done in a batch, and holds of it at this moment."""

    username: str
    answers: int
    skips: int
    held: int
    last_at: datetime.datetime | None


def parts_of(batch: Batch, now: datetime.datetime) -> list[Part]:
    """Who works on the batch, who answered most comes first. Two queries."""
    done = (
        Annotation.objects.standing()
        .filter(task__batch=batch)
        .order_by()
        .values("user__username")
        .annotate(answers=Count("pk", filter=ANSWER), skips=Count("pk", filter=SKIP), last=Max("created_at"))
    )
    holding = Assignment.objects.pending().filter(task__batch=batch, lease_expires_at__gt=now)
    held = dict(holding.order_by().values_list("user__username").annotate(n=Count("pk")))
    parts = [
        Part(row["user__username"], row["answers"], row["skips"], held.pop(row["user__username"], 0), row["last"])
        for row in done
    ]
    parts += [Part(username, 0, 0, n, None) for username, n in held.items()]
    return sorted(parts, key=lambda part: (-part.answers - part.skips, part.username))


@dataclass(frozen=True, slots=True)
class Places:
    """All answers that a batch asks for: given, skipped, held by somebody, open."""

    total: int
    answered: int
    skipped: int
    held: int

    @property
    def open(self) -> int:
        return max(0, self.total - self.answered - self.skipped - self.held)


def places_of(batch: Batch, parts: Sequence[Part]) -> Places:
    return Places(
        total=batch.size * batch.overlap,
        answered=sum(part.answers for part in parts),
        skipped=sum(part.skips for part in parts),
        held=sum(part.held for part in parts),
    )
