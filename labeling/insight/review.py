"""The queue of items that wait for a reviewer, each with its reasons.

An item waits if it has all its answers, has no correction, and one of the reasons holds. A reviewer who corrects it or
sends it back removes it from the queue for all reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Max, Q, QuerySet, TextChoices, Window
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling.answering.asking_again import repeatable
from labeling.answering.counting import counted
from labeling.models import Annotation, Copy, Item, Project, ReviewPlace, Task, User
from labeling.models.items import ItemQuerySet

# The most items that a query returns; after these a reviewer gets the next ones.
MOST = 200
ANY_TASK = (RawSQL("SELECT CAST(0 AS bigint)", []), RawSQL("SELECT CAST(9223372036854775807 AS bigint)", []))
"""A range that holds every key. PostgreSQL expects few rows in it: see `labeling.models.items.ANY_SHARE`."""


class Reason(TextChoices):
    """The reasons for a review, in the order in which the queue takes them."""

    TIE = "tie", "No majority"
    FLAG = "flag", "Flagged"
    ERROR = "error", "Likely label errors"
    COPY = "copy", "Differs from a near-copy"
    SKIPPED = "skipped", "Skipped by all"
    SAMPLE = "sample", "Random sample"


@dataclass(frozen=True, slots=True)
class _Scope:
    """All items of a project, or those with the keys `only`, for which the queries of a reason read few rows."""

    project: Project
    only: Sequence[int] | None = None

    def items(self) -> ItemQuerySet:
        items = self.project.items.order_by()
        return items if self.only is None else items.filter(pk__in=self.only)

    def labeled_by(self, annotations: QuerySet[Annotation]) -> QuerySet[Any]:
        """Return the keys of the items whose labels follow from these annotations.

        Labels do not follow from answers given before the item was sent back, or given to it as a gold item.
        """
        if self.only is None:
            # With the range, PostgreSQL looks up the tasks of these few annotations. Otherwise it reads all of the
            # project.
            few = annotations.filter(task__gte=ANY_TASK[0], task__lte=ANY_TASK[1])
        else:
            few = annotations.filter(task__in=Task.objects.of_items(self.only).order_by().values("pk"))
        tasks = Task.objects.deciding().filter(pk__in=few.values("task"), batch__project=self.project)
        return tasks.order_by().values(key=Coalesce("item", "repeats"))


def _ties(scope: _Scope, items: ItemQuerySet) -> ItemQuerySet:
    # With answers weighed by accuracy, one of two answers may give a probable label.
    sure = Q(label_probability__gte=scope.project.label_confidence)
    no_majority = scope.items().filter(Q(label_probability=None) | ~sure, agreement__lte=0.5)
    return items.filter(pk__in=_either(no_majority.values("pk"), scope.items().undecided().values("pk")))


def _flagged(scope: _Scope, items: ItemQuerySet) -> ItemQuerySet:
    return items.filter(pk__in=scope.labeled_by(Annotation.objects.standing().filter(flagged=True)))


def _errors(scope: _Scope, items: ItemQuerySet) -> ItemQuerySet:
    return items.filter(label__isnull=False, label_quality__isnull=False)


def _unlike_copies(scope: _Scope, items: ItemQuerySet) -> ItemQuerySet:
    # Not by the project of their items: SQLite would read all labeled items.
    unlike = Copy.objects.checked().filter(batch__project=scope.project).exclude(of__label=F("item__label"))
    if scope.only is not None:
        unlike = unlike.filter(Q(item__in=scope.only) | Q(of__in=scope.only))
    return items.filter(pk__in=_either(unlike.values("item"), unlike.values("of")))


def _either(some: QuerySet[Any], others: QuerySet[Any]) -> QuerySet[Any]:
    """Return the keys of both queries. With OR between them, the databases would test all items of the project."""
    return some.order_by().union(others.order_by())


def unlike_copies_of(item: Item) -> list[Item]:
    """Return the item's checked near-copies, or its source if it is one, to which people gave another label. Takes one
    query.
    """
    unlike = Copy.objects.checked().exclude(of__label=F("item__label")).filter(Q(item=item) | Q(of=item))
    return [copy.of if copy.item_id == item.pk else copy.item for copy in unlike.select_related("item", "of")]


def _skipped(scope: _Scope, items: ItemQuerySet) -> ItemQuerySet:
    skipped = items.filter(label__isnull=True, agreement__isnull=True)
    return skipped.filter(pk__in=scope.labeled_by(Annotation.objects.skips()))


def _sample(scope: _Scope, items: ItemQuerySet) -> ItemQuerySet:
    return items.filter(pk__in=scope.labeled_by(Annotation.objects.answers().filter(sampled=True)))


QUEUES: dict[Reason, tuple[Callable[[_Scope, ItemQuerySet], ItemQuerySet], str]] = {
    Reason.TIE: (_ties, "agreement"),
    Reason.FLAG: (_flagged, "pk"),
    Reason.ERROR: (_errors, "label_quality"),
    Reason.COPY: (_unlike_copies, "pk"),
    Reason.SKIPPED: (_skipped, "pk"),
    Reason.SAMPLE: (_sample, "pk"),
}
"""For each reason, the filter of its items, and the field by which they are sorted, the most urgent first."""


@dataclass(frozen=True, slots=True)
class ReviewQueue:
    """The next items to review.

    ids: their keys, the most urgent first, the ones that a reviewer put off last. counts: the number of items for each
    reason; an item may have several reasons. held: the items that other reviewers have open.
    """

    ids: list[int]
    counts: dict[Reason, int]
    held: frozenset[int]

    @property
    def any(self) -> bool:
        return any(self.counts.values())

    def next(self, after: int | None = None) -> int | None:
        """Return the first item that no other reviewer has open; with `after`, the first behind that item."""
        start = self.ids.index(after) + 1 if after in self.ids else 0
        return next((key for key in self.ids[start:] if key not in self.held), None)

    def before(self, key: int) -> int | None:
        """Return the nearest earlier item that no other reviewer has open."""
        earlier = self.ids[: self.ids.index(key)] if key in self.ids else []
        return next((each for each in reversed(earlier) if each not in self.held), None)


def queue_of(project: Project, user: User, reason: Reason | None = None) -> ReviewQueue:
    """Return the queue of this reviewer, for one reason or all. Takes at most nine queries.

    A reason whose items are read is counted by the same statement: to find them takes most of its time.
    """
    # The sum keeps SQLite from beginning with the items of the project.
    places = ReviewPlace.objects.alias(of=F("item__project_id") + 0).filter(of=project.pk)
    put_off = list(places.put_off().values_list("item", flat=True))
    held = frozenset(places.held(timezone.now()).exclude(user=user).values_list("item", flat=True))
    reasons = list(Reason) if reason is None else [reason]
    ids: dict[int, None] = {}
    late: set[int] = set()
    counts: dict[Reason, int] = {}
    for each in reasons:
        items, order = waiting(project, each), QUEUES[each][1]
        put_off_here = set(waiting(project, each, put_off).values_list("pk", flat=True)) if put_off else set()
        late |= put_off_here
        if len(ids) < MOST:
            others = items.exclude(pk__in=put_off).order_by(order, "pk").annotate(number=Window(Count("pk")))
            first = list(others.values_list("pk", "number")[:MOST])
            ids |= dict.fromkeys(pk for pk, _ in first)
            counts[each] = len(put_off_here) + (first[0][1] if first else 0)
    counts |= _counts_of(project, [each for each in Reason if each not in counts])
    in_order = {each: counts[each] for each in Reason}
    return ReviewQueue([*ids, *(key for key in put_off if key in late)], in_order, held)


def waiting(project: Project, reason: Reason, only: Sequence[int] | None = None) -> ItemQuerySet:
    """Return the items that wait for a review for this reason, in no order; with `only`, those with these keys."""
    scope = _Scope(project, only)
    return QUEUES[reason][0](scope, repeatable(scope.items()))


def _counts_of(project: Project, reasons: Sequence[Reason]) -> dict[Reason, int]:
    """Return the number of waiting items for each of these reasons. Takes one query; none without reasons."""
    counts = {reason.value: Max(counted(waiting(project, reason))) for reason in reasons}
    totals = project.batches.aggregate(**counts) if counts else {}
    return {reason: totals[reason.value] or 0 for reason in reasons}


def reasons_of(project: Project, item: int) -> Sequence[Reason]:
    """Return the reasons for which this item waits for a review; empty if it does not wait. Takes one query."""
    counts = {reason.value: Max(counted(waiting(project, reason, [item]))) for reason in Reason}
    totals = project.batches.aggregate(**counts)
    return [reason for reason in Reason if totals[reason.value]]
