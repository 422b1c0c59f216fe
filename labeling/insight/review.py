"""The queue of items that wait for a reviewer, each with its reasons.

An item waits if it has all its answers, has no correction, and one of the reasons holds. A reviewer who corrects it or
sends it back removes it from the queue for all reasons.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import BooleanField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, TextChoices
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling.models import Annotation, Copy, Item, Project, ReviewPlace, Task, User
from labeling.models.items import ItemQuerySet
from labeling.queue.changing import repeatable

# The most items that a query returns; after these a reviewer gets the next ones.
MOST = 200
COUNTED = 1_000
"""Of more items for one reason, a page says "1,000+": a pool of ten million has a hundred thousand skipped items."""
ANY_TASK = (RawSQL("SELECT CAST(0 AS bigint)", []), RawSQL("SELECT CAST(9223372036854775807 AS bigint)", []))
"""A range that holds every key. PostgreSQL expects few rows in it: see `labeling.models.items.ANY_SHARE`."""


class Reason(TextChoices):
    """The reasons for a review, in the order in which the queue takes them."""

    TIE = "tie", "No majority"
    FLAG = "flag", "Flagged"
    ERROR = "error", "Likely label errors"
    COPY = "copy", "Label differs from a near-copy"
    SKIPPED = "skipped", "Skipped by all"
    SAMPLE = "sample", "Random sample"


_Rows = QuerySet[Any, tuple[Any, int]]
"""Waiting items: the value by which they are sorted, and their key, the most urgent first. A database that is asked for
the first of them does not read the others.
"""


@dataclass(frozen=True, slots=True)
class _Scope:
    """All items of a project, or those with the keys `only`, for which the queries of a reason read few rows."""

    project: Project
    only: Sequence[int] | None = None

    def items(self) -> ItemQuerySet:
        """Return the items that may wait: they have all their answers, and no correction."""
        items = self.project.items.order_by()
        return repeatable(items if self.only is None else items.filter(pk__in=self.only))

    def answered(self, annotations: QuerySet[Annotation], items: ItemQuerySet) -> _Rows:
        """Return those items whose labels follow from these annotations, by their tasks.

        Labels do not follow from answers given before the item was sent back, or given to it as a gold item.
        """
        if self.only is None:
            # With the range, PostgreSQL looks up the tasks of these few annotations. Otherwise it reads all of the
            # project.
            few = annotations.filter(task__gte=ANY_TASK[0], task__lte=ANY_TASK[1])
        else:
            few = annotations.filter(task__in=Task.objects.of_items(self.only).order_by().values("pk"))
        # The sum keeps SQLite from beginning with the batches of the project, and all their tasks.
        few = few.alias(of=F("task__batch__project_id") + 0).filter(of=self.project.pk)
        few = few.annotate(key=Coalesce("task__item", "task__repeats"))
        deciding = Task.objects.deciding().order_by().filter(pk=OuterRef("task"))
        rows = few.filter(Exists(deciding), Exists(items.filter(pk=OuterRef("key"))))
        return rows.order_by("task").values_list("task", "key")


def _sorted(items: ItemQuerySet, by: str) -> _Rows:
    return items.order_by(by, "pk").values_list(by, "pk")


def _ties(scope: _Scope) -> list[_Rows]:
    # With answers weighed by accuracy, one of two answers may give a probable label.
    sure = Q(label_probability__gte=scope.project.label_confidence)
    no_majority = scope.items().filter(Q(label_probability=None) | ~sure, agreement__lte=0.5)
    return [_sorted(items, "agreement") for items in (no_majority, scope.items().undecided())]


def _flagged(scope: _Scope) -> list[_Rows]:
    return [scope.answered(Annotation.objects.standing().filter(flagged=True), scope.items())]


def _errors(scope: _Scope) -> list[_Rows]:
    return [_sorted(scope.items().filter(label__isnull=False, label_quality__isnull=False), "label_quality")]


def _unlike_copies(scope: _Scope) -> list[_Rows]:
    # Not by the project of their items: SQLite would read all labeled items.
    unlike = Copy.objects.checked().filter(batch__project=scope.project).exclude(of__label=F("item__label"))
    if scope.only is not None:
        unlike = unlike.filter(Q(item__in=scope.only) | Q(of__in=scope.only))
    return [_sorted(scope.items().filter(pk__in=unlike.order_by().values(end)), "pk") for end in ("item", "of")]


def unlike_copies_of(item: Item) -> list[Item]:
    """Return the item's checked near-copies, or its source, to which people gave another label. Takes one query."""
    unlike = Copy.objects.checked().exclude(of__label=F("item__label")).filter(Q(item=item) | Q(of=item))
    return [copy.of if copy.item_id == item.pk else copy.item for copy in unlike.select_related("item", "of")]


def _skipped(scope: _Scope) -> list[_Rows]:
    unlabeled = scope.items().filter(label__isnull=True, agreement__isnull=True)
    return [scope.answered(Annotation.objects.skips(), unlabeled)]


def _sample(scope: _Scope) -> list[_Rows]:
    return [scope.answered(Annotation.objects.answers().filter(sampled=True), scope.items())]


QUEUES: dict[Reason, Callable[[_Scope], list[_Rows]]] = {
    Reason.TIE: _ties,
    Reason.FLAG: _flagged,
    Reason.ERROR: _errors,
    Reason.COPY: _unlike_copies,
    Reason.SKIPPED: _skipped,
    Reason.SAMPLE: _sample,
}
"""For each reason, its items; an item may be in several of the queries."""


@dataclass(frozen=True, slots=True)
class ReviewQueue:
    """The next items to review.

    ids: their keys, the most urgent first, the ones that a reviewer put off last. counts: the number of items for each
    reason, `COUNTED` + 1 if there are more; an item may have several reasons. held: the items that other reviewers
    have open.
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
    """Return this reviewer's queue, for one reason or all. Ten queries, and eight more if items were put off."""
    # The sum keeps SQLite from beginning with the items of the project.
    places = ReviewPlace.objects.alias(of=F("item__project_id") + 0).filter(of=project.pk)
    put_off = list(places.put_off().values_list("item", flat=True))
    held = frozenset(places.held(timezone.now()).exclude(user=user).values_list("item", flat=True))
    first = {each: waiting(project, each, most=COUNTED + 1) for each in Reason}
    counts = {each: len(keys) for each, keys in first.items()}
    asked = list(Reason) if reason is None else [reason]
    late = {key for each in asked for key in waiting(project, each, put_off)} if put_off else set()
    ids = dict.fromkeys(key for each in asked for key in first[each][: MOST + len(put_off)] if key not in put_off)
    return ReviewQueue([*list(ids)[:MOST], *(key for key in put_off if key in late)], counts, held)


def waiting(
    project: Project, reason: Reason, only: Sequence[int] | None = None, *, most: int | None = None
) -> list[int]:
    """Return the keys of the items that wait for a review for this reason, the most urgent first, at most `most`; with
    `only`, those with these keys. Takes one query or two, rarely more.
    """
    rows = {row for query in QUEUES[reason](_Scope(project, only)) for row in _first(query, most)}
    return list(dict.fromkeys(key for _, key in sorted(rows)))[:most]


def _first(rows: _Rows, most: int | None) -> set[tuple[Any, int]]:
    """Return the first `most` different rows. An item has as many rows as people who flagged or skipped it.

    PostgreSQL would read all rows for a DISTINCT, because it expects few.
    """
    if most is None:
        return set(rows)
    read, limit = list(rows[:most]), most
    while len(read) == limit and len(set(read)) < most:
        limit *= 2
        read = list(rows[:limit])
    return set(read)


def reasons_of(project: Project, item: int) -> Sequence[Reason]:
    """Return the reasons for which this item waits for a review; empty if it does not wait. Takes one query."""
    scope = _Scope(project, [item])
    waits = [ExpressionWrapper(reduce(or_, map(Exists, QUEUES[each](scope)), Q()), BooleanField()) for each in Reason]
    found = Project.objects.filter(pk=project.pk).values_list(*waits).get()
    return [reason for reason, holds in zip(Reason, found, strict=True) if holds]
