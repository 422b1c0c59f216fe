"""What the next batch can be picked from, counted without visiting the pool."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Sum

from labeling.models import Project


@dataclass(frozen=True, slots=True)
class Pool:
    """Items that no batch has taken, and how many of them are kept for control."""

    unlabeled: int
    reserved: int


def pool_of(project: Project) -> Pool:
    """The sizes of what `ItemQuerySet.unlabeled` holds. Three counts over indexes and the batches' own sums: looking
    for the items without a task would visit every one of them.
    """
    taken = project.batches.aggregate(tasks=Sum("size", default=0), control=Sum("control_tasks", default=0))
    control = project.items.control()
    return Pool(
        unlabeled=project.items.filter(row__isnull=False).count() - taken["tasks"],
        # The few that have no row yet are taken off: counting those that have one would read every item.
        reserved=control.count() - control.filter(row__isnull=True).count() - taken["control"],
    )
