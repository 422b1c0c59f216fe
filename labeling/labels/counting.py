"""Counters that pages read instead of a million rows, and the recount that compares them with the counted rows.

The transaction that changes the counted rows also changes the counter:

- `WorkLog`: answers, skips and seconds of one person in one batch within ten minutes. Only this person's own requests
  change the row, so no request waits for another person's.
- `Batch.labeled`: items of a batch that have a label. The last statement of a submit updates the batch anyway, and
  changes this counter without a further statement.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    F,
    Func,
    IntegerField,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    When,
)  # fmt: skip
from django.db.models.functions import Cast, Coalesce, Substr

from labeling.models import Annotation, Batch, Certificate, CertifiedLabel, Item, Project, Task, User, WorkLog
from labeling.models.batches import IMPORTED
from labeling.models.certificates import CertifiedLabelQuerySet
from labeling.storage.db.statements import change, stored

MINUTES = 10
# The first 15 characters of "2026-01-31 09:55:00" name ten minutes; both databases can group by them.
LETTERS = 15
# The rounding error of a sum of seconds depends on the order of its terms.
SAME_SECONDS = 0.01


# A user's id, and the beginning of ten minutes.
_Key = tuple[int, datetime.datetime]


@dataclass(frozen=True, slots=True)
class Tally:
    """The answers, skips and seconds of one person within ten minutes."""

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
    """Return the beginning of the ten minutes that contain this moment."""
    return at.replace(minute=at.minute - at.minute % MINUTES, second=0, microsecond=0)


def start_of_day(at: datetime.datetime) -> datetime.datetime:
    """Return the midnight before this moment, in UTC: days begin there for all people."""
    return at.astimezone(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def add(batch: Batch, user: User, at: datetime.datetime, *, answers: int, skips: int, seconds: float) -> None:
    """Add these answers, skips and seconds to the user's `WorkLog` of this moment. One statement."""
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
    """Subtract an undone annotation from the author's `WorkLog`. Its task must be selected with it."""
    is_skip = annotation.value is None
    WorkLog.objects.filter(
        batch=annotation.task.batch_id, user=annotation.user_id, start=start_of(annotation.created_at)
    ).update(
        answers=F("answers") - int(not is_skip),
        skips=F("skips") - int(is_skip),
        seconds=F("seconds") - annotation.seconds,
    )


def counted(rows: QuerySet[Any], *, different: str = "") -> Subquery:
    """Return a subquery that counts these rows, or the distinct values of the field `different`."""
    # Not Django's `Count`: it would add a GROUP BY.
    columns = [F(different)] if different else []
    template = "COUNT(DISTINCT %(expressions)s)" if different else "COUNT(*)"
    count = Func(*columns, template=template, output_field=IntegerField())
    return Subquery(rows.order_by().annotate(counted=count).values("counted"))


def trainable_labels(project: Project) -> int:
    """Return the number of labels that a model may learn from: all labels but those of control and excluded items.

    It is the size of `ItemQuerySet.trainable`, whose own count would read every labeled item.
    """
    control = Max(counted(project.items.control().labeled()))
    excluded = Max(counted(project.items.excluded().labeled().filter(reserved=False)))
    return project.batches.aggregate(n=Sum("labeled") - control - excluded)["n"] or 0


def certified_unpicked(project: Project) -> Any:
    """Return an aggregate of any rows: the number of certified items that `ItemQuerySet.unlabeled` leaves out.

    It is the number of certified labels, less the few of items that a batch has taken, that are excluded or gold, or
    that a manager has queued. To join all certified labels with their items would take seconds for a million.
    """
    unpicked = project.items.certified().kept().filter(task__isnull=True)
    of_task = CertifiedLabel.objects.certifying().filter(item=OuterRef("item"))
    others = (
        project.items.certified().excluded(),
        unpicked.filter(gold__isnull=False),
        unpicked.filter(gold__isnull=True, queued_at__isnull=False),
        # EXISTS, and not IN: SQLite would list all certified items.
        Task.objects.filter(Exists(of_task), batch__project=project, item__excluded_at__isnull=True),
    )
    return Max(_if_any(project, counted(_certifying(project)) - sum(map(counted, others[1:]), counted(others[0]))))


def certified_labels(project: Project) -> int:
    """Return the size of `CertifiedLabelQuerySet.standing` in this project, without reading all its items."""
    certified = project.items.certified()
    counts = counted(_certifying(project)) - counted(certified.excluded()) - counted(certified.kept().labeled())
    return int(Project.objects.values_list(_if_any(project, counts)).get(pk=project.pk)[0])


def _if_any(project: Project, counts: Any) -> Case:
    """Return these counts, or 0 if no certificate is valid: then no database reads the rows that they count.

    As a condition within the counts, SQLite would test it for each labeled item of the project.
    """
    any_stands = Exists(Certificate.objects.standing().filter(project=project).order_by())
    return Case(When(any_stands, then=counts), default=0, output_field=IntegerField())


def _certifying(project: Project) -> CertifiedLabelQuerySet:
    # Without a join, counting them reads an index alone.
    return CertifiedLabel.objects.filter(
        certificate__in=Certificate.objects.standing().filter(project=project).order_by()
    )


def annotations_of(project: Project) -> Any:
    """Return an aggregate of any rows: the number of the project's answers and skips, with the undone ones.

    Imported answers are counted one by one, since they have no `WorkLog`.
    """
    work = (
        WorkLog.objects.filter(batch__project=project)
        .values("batch__project")
        .annotate(n=Sum(F("answers") + F("skips")))
        .values("n")
    )
    imported = Annotation.objects.filter(task__batch__project=project, task__batch__strategy=IMPORTED)
    # A subquery for each of the few undone annotations: for a join, SQLite would read all tasks.
    tasks = Task.objects.filter(pk=OuterRef("task"), batch__project=project).exclude(batch__strategy=IMPORTED)
    undone = Annotation.objects.filter(undone_at__isnull=False).alias(batch=Subquery(tasks.order_by().values("batch")))
    counts = [Max(counted(rows)) for rows in (undone.filter(batch__isnull=False), imported)]
    return Coalesce(Max(Subquery(work)), 0) + counts[0] + counts[1]


@contextmanager
def labels_counted(items: Collection[int]) -> Iterator[None]:
    """Update `Batch.labeled` for the labels that these items gain and lose in the `with` block. The caller has locked
    their tasks. An item's label counts in the batch that picked the item, also if a later batch asks it again.
    """
    with label_changes(items) as changes:
        yield
    for batch, change_of_batch in sorted(changes.items()):
        Batch.objects.filter(pk=batch).update(labeled=F("labeled") + change_of_batch)


@contextmanager
def label_changes(items: Collection[int]) -> Iterator[Counter[int]]:
    """Count the labels that these items gain in the `with` block, less those that they lose, by batch id.

    For a caller that also changes other columns of these batches, and so updates them itself, in the order of their
    ids. The counter is complete after the block and has no zeros.
    """
    changes = Counter[int]()
    before = _labeled_among(items)
    yield changes
    after = _labeled_among(items)
    if before == after:
        return
    for batch, item in Task.objects.filter(item__in=before ^ after).values_list("batch", "item"):
        changes[batch] += 1 if item in after else -1
    for batch in [batch for batch, change_of_batch in changes.items() if not change_of_batch]:
        del changes[batch]


def _labeled_among(items: Collection[int]) -> set[int]:
    if not items:
        return set()
    return set(Item.objects.labeled().filter(pk__in=items).values_list("pk", flat=True))


def recount(batch: Batch) -> list[str]:
    """Compare the batch's counters with the counted rows and correct those that differ. Return a line for each of them.

    The first comparison takes no locks. If a counter differs, a transaction may have changed the rows in between, so
    the second comparison locks the counter, which every transaction that changes the counted rows also locks.
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
        return []  # imported answers have no `WorkLog`
    if not _different(_counted(batch.work.all()), _performed(batch)):
        return []
    with transaction.atomic():
        # The locks wait for transactions that have changed these rows; the query after them reads their annotations.
        counted = _counted(batch.work.select_for_update(no_key=True, of=("self",)).order_by("pk"))
        performed = _performed(batch)
        mended = [
            key for key in _different(counted, performed) if _mend(batch, key, performed.get(key, Tally()), counted)
        ]
    if not mended:
        return []
    before, after = (sum(each.get(key, Tally()).total for key in mended) for each in (counted, performed))
    spans = f"in {len(mended)} spans of ten minutes of one person"
    return [f"{batch}: {before} answers and skips were counted {spans}, {after} are there."]


def _mend(batch: Batch, key: _Key, tally: Tally, counted: Mapping[_Key, Tally]) -> bool:
    """Write the correct tally to a row. Return False if another request has just created the row: it is correct."""
    user, start = key
    values = {"answers": tally.answers, "skips": tally.skips, "seconds": tally.seconds}
    if key in counted:
        return bool(batch.work.filter(user=user, start=start).update(**values))
    assert tally.last_at is not None  # every annotation has a time
    return batch.work.get_or_create(user_id=user, start=start, defaults={**values, "last_at": tally.last_at})[1]


def _counted(work: QuerySet[WorkLog]) -> dict[_Key, Tally]:
    return {(row.user_id, row.start): Tally(row.answers, row.skips, row.seconds) for row in work}


def _performed(batch: Batch) -> dict[_Key, Tally]:
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
    """Return the beginning of the day "2026-01-31", the hour "2026-01-31 09" or the ten minutes "2026-01-31 09:5"."""
    padded = text + "0000-00-00 00:00"[len(text) :]
    return datetime.datetime.strptime(padded, "%Y-%m-%d %H:%M").replace(tzinfo=datetime.UTC)


def _different(counted: Mapping[_Key, Tally], performed: Mapping[_Key, Tally]) -> list[_Key]:
    keys = counted.keys() | performed.keys()
    return sorted(key for key in keys if not counted.get(key, Tally()).same(performed.get(key, Tally())))
