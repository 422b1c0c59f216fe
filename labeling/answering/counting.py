"""Counters that pages read instead of a million rows, and the recount that compares them with what they count.

Two are kept, each changed by the transaction that changes what it counts:

- `WorkLog`: answers, skips and seconds of one person in one batch within ten minutes. Only this person's own requests
  change the row, so nobody waits for anybody else.
- `Batch.labeled`: items of a batch that have a label. A submit changes the batch's row in any case, as its last
  statement, and counts there without another.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import CharField, Count, F, Func, IntegerField, Max, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Cast, Substr

from labeling.models import Annotation, Batch, Item, Project, Task, User, WorkLog
from labeling.models.batches import IMPORTED
from labeling.statements import change, stored

MINUTES = 10
# Letters of "2026-01-31 09:55:00" that tell these ten minutes: what both databases can group by.
LETTERS = 15
# Sums of seconds depend on the order in which they were added, a little.
SAME_SECONDS = 0.01


# A person, and the beginning of ten minutes.
_Key = tuple[int, datetime.datetime]


@dataclass(frozen=True, slots=True)
class Tally:
    """What somebody did."""

    answers: int = 0
    skips: int = 0
    seconds: float = 0.0
    last_at: datetime.datetime | None = None

    @property
    def total(self) -> int:
        return self.answers + self.skips

    def same(self, other: Tally) -> bool:
        counts = (self.answers, self.skips) == (other.answers, other.skips)
        return counts and abs(self.seconds - other.seconds) < SAME_SECONDS


def start_of(at: datetime.datetime) -> datetime.datetime:
    """The beginning of the ten minutes that hold this moment."""
    return at.replace(minute=at.minute - at.minute % MINUTES, second=0, microsecond=0)


def add(batch: Batch, user: User, at: datetime.datetime, *, answers: int, skips: int, seconds: float) -> None:
    """Count what the user did at this moment. One statement."""
    change(
        """
        INSERT INTO labeling_worklog (batch_id, user_id, start, last_at, answers, skips, seconds)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (batch_id, user_id, start) DO UPDATE SET answers = labeling_worklog.answers + excluded.answers,
        skips = labeling_worklog.skips + excluded.skips, seconds = labeling_worklog.seconds + excluded.seconds,
        last_at = excluded.last_at
        """,
        [
            batch.pk,
            user.pk,
            stored(WorkLog, "start", start_of(at)),
            stored(WorkLog, "last_at", at),
            answers,
            skips,
            seconds,
        ],
    )


def take_back(annotation: Annotation) -> None:
    """Count an answer or skip no more. Needs its task read with it."""
    is_skip = annotation.value is None
    WorkLog.objects.filter(
        batch=annotation.task.batch_id, user=annotation.user_id, start=start_of(annotation.created_at)
    ).update(
        answers=F("answers") - int(not is_skip),
        skips=F("skips") - int(is_skip),
        seconds=F("seconds") - annotation.seconds,
    )


def counted(rows: QuerySet[Any], *, different: str = "") -> Subquery:
    """How many these rows are, or how many different values of a field they have, as a part of another query."""
    # No aggregate of Django's, which would count by groups.
    columns = [F(different)] if different else []
    template = "COUNT(DISTINCT %(expressions)s)" if different else "COUNT(*)"
    count = Func(*columns, template=template, output_field=IntegerField())
    return Subquery(rows.order_by().annotate(counted=count).values("counted"))


def trainable_labels(project: Project) -> int:
    """How many labels a model may learn from: all but those of control and excluded items. To count what
    `ItemQuerySet.trainable` holds would be to look at every labeled item.
    """
    control = Max(counted(project.items.control().labeled()))
    excluded = Max(counted(project.items.excluded().labeled().filter(reserved=False)))
    return project.batches.aggregate(n=Sum("labeled") - control - excluded)["n"] or 0


@contextmanager
def labels_counted(items: Collection[int]) -> Iterator[None]:
    """Count the labels that these items, whose tasks are locked, gain and lose inside. The batch that picked an item
    counts its label, whoever answered it again.
    """
    if not items:
        yield
        return
    before = _labeled_among(items)
    yield
    after = _labeled_among(items)
    differences = Counter[int]()
    for batch, item in Task.objects.filter(item__in=before ^ after).values_list("batch", "item"):
        differences[batch] += 1 if item in after else -1
    for batch, difference in sorted(differences.items()):
        if difference:
            Batch.objects.filter(pk=batch).update(labeled=F("labeled") + difference)


def _labeled_among(items: Collection[int]) -> set[int]:
    return set(Item.objects.labeled().filter(pk__in=items).values_list("pk", flat=True))


def recount(batch: Batch) -> list[str]:
    """Compare the batch's counters with what they count, and mend those that differ. Returns a line for each that did.

    Nothing is locked while all is well. Where something differs it may have changed between two looks, so it is looked
    at again behind the locks of the counters, which everybody takes who changes what they count.
    """
    return [*_recount_labeled(batch), *_recount_work(batch)]


def _recount_labeled(batch: Batch) -> list[str]:
    labeled = Task.objects.filter(batch=batch, item__label__isnull=False)
    if Batch.objects.get(pk=batch.pk).labeled == labeled.count():
        return []
    with transaction.atomic():
        counter = Batch.objects.select_for_update(no_key=True, of=("self",)).get(pk=batch.pk).labeled
        truth = labeled.count()
        Batch.objects.filter(pk=batch.pk).update(labeled=truth)
    return [f"{batch}: {counter} items were counted as labeled, {truth} are."] if counter != truth else []


def _recount_work(batch: Batch) -> list[str]:
    if batch.strategy == IMPORTED:
        return []  # what was answered elsewhere is nobody's work here
    if not _different(_counted(batch.work.all()), _performed(batch)):
        return []
    with transaction.atomic():
        # Who has changed one of these rows is waited for, and then seen in the annotations too; others wait.
        counted = _counted(batch.work.select_for_update(no_key=True, of=("self",)).order_by("pk"))
        performed = _performed(batch)
        mended = [
            key for key in _different(counted, performed) if _mend(batch, key, performed.get(key, Tally()), counted)
        ]
    if not mended:
        return []
    before, after = (sum(each.get(key, Tally()).total for key in mended) for each in (counted, performed))
    places = f"in {len(mended)} spans of ten minutes of one person"
    return [f"{batch}: {before} answers and skips were counted {places}, {after} are there."]


def _mend(batch: Batch, key: _Key, tally: Tally, counted: Mapping[_Key, Tally]) -> bool:
    """Make a row what it should be. Returns whether it was not: one that somebody has just made counts already."""
    user, start = key
    values = {"answers": tally.answers, "skips": tally.skips, "seconds": tally.seconds}
    if key in counted:
        return bool(batch.work.filter(user=user, start=start).update(**values))
    assert tally.last_at is not None  # annotations have it
    return batch.work.get_or_create(user_id=user, start=start, defaults={**values, "last_at": tally.last_at})[1]


def _counted(work: QuerySet[WorkLog]) -> dict[_Key, Tally]:
    return {(row.user_id, row.start): Tally(row.answers, row.skips, row.seconds) for row in work}


def _performed(batch: Batch) -> dict[_Key, Tally]:
    """What the annotations themselves come to."""
    sums = (
        Annotation.objects.standing()
        .filter(task__batch=batch)
        .order_by()
        .annotate(slice=Substr(Cast("created_at", CharField()), 1, LETTERS))
        .values_list("user", "slice")
        .annotate(
            answers=Count("pk", filter=Q(value__isnull=False)),
            skips=Count("pk", filter=Q(value__isnull=True)),
            total=Sum("seconds"),
            last=Max("created_at"),
        )
    )
    return {(user, time_of(text)): Tally(*tally) for user, text, *tally in sums}


def time_of(text: str) -> datetime.datetime:
    """The beginning of the slice that "2026-01-31", "2026-01-31 09" or "2026-01-31 09:5" stands for."""
    padded = text + "0000-00-00 00:00"[len(text) :]
    return datetime.datetime.strptime(padded, "%Y-%m-%d %H:%M").replace(tzinfo=datetime.UTC)


def _different(counted: Mapping[_Key, Tally], performed: Mapping[_Key, Tally]) -> list[_Key]:
    keys = counted.keys() | performed.keys()
    return sorted(key for key in keys if not counted.get(key, Tally()).same(performed.get(key, Tally())))
