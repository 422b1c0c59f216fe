"""What the next batch can be picked from, counted without visiting the pool."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, F, Q, Subquery, Sum

from labeling.models import Project


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """Items that no batch has taken, and how many of them are kept for control."""

    unlabeled: int
    reserved: int


def encoded_of(project: Project) -> int:
    """How many items have been encoded: rows are given out without gaps, so the last one tells,
    but for those of items that were removed for good.
    """
    last = project.items.filter(row__isnull=False).order_by("-row").values("row")[:1]
    rows, purged, row = Project.objects.values_list("encoded_rows", "purged_rows", Subquery(last)).get(pk=project.pk)
    return max(rows, 0 if row is None else row + 1) - purged


def pool_of(project: Project) -> PoolCounts:
    """The sizes of what `ItemQuerySet.unlabeled` holds. Counts over indexes, the last row and the batches' own sums:
    looking for the items without a task would visit every one of them.
    """
    taken = project.batches.aggregate(
        items=Sum(F("size") - F("further"), default=0), control=Sum("control_tasks", default=0)
    )
    excluded = project.items.excluded_unpicked().aggregate(n=Count("pk"), control=Count("pk", filter=Q(reserved=True)))
    control = project.items.control()
    return PoolCounts(
        unlabeled=encoded_of(project) - taken["items"] - excluded["n"] - project.items.gold_unpicked().count(),
        # The few that have no row yet are taken off: counting those that have one would read every item.
        reserved=control.count() - control.filter(row__isnull=True).count() - taken["control"] - excluded["control"],
    )
