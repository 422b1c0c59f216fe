"""Count the items that the next batch can be picked from, without reading the pool."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count, F, Q, Subquery, Sum

from labeling.labels.counting import certified_unpicked
from labeling.models import Project


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """The number of items that no batch has taken, and how many of these are reserved for control."""

    unlabeled: int
    reserved: int


def encoded_items(project: Project) -> int:
    """Return the number of encoded items: the last row, since rows have no gaps, plus 1, minus the purged items."""
    last = project.items.filter(row__isnull=False).order_by("-row").values("row")[:1]
    rows, purged, row = Project.objects.values_list("encoded_rows", "purged_rows", Subquery(last)).get(pk=project.pk)
    return max(rows, 0 if row is None else row + 1) - purged


def all_items(project: Project) -> int:
    """Return the number of the project's items: the encoded ones, and the few without a row."""
    return encoded_items(project) + project.items.filter(row__isnull=True).count()


def count_pool(project: Project) -> PoolCounts:
    """Return the number of items in `ItemQuerySet.unlabeled`, and of reserved ones among them.

    Computed from counts over indexes, the last row and the batches' own sums: a query for items without a task would
    read every item.
    """
    taken = batch_sums(project)
    excluded = project.items.excluded_unpicked().aggregate(n=Count("pk"), control=Count("pk", filter=Q(reserved=True)))
    control = project.items.control()
    return PoolCounts(
        unlabeled=unlabeled_items(project, encoded_items(project), taken, excluded["n"]),
        # All control items minus the few without a row: to count items with a row would read every item.
        reserved=control.count() - control.filter(row__isnull=True).count() - taken["control"] - excluded["control"],
    )


def batch_sums(project: Project) -> dict[str, int]:
    """Return sums over the project's batches: of their own `items`, of `control` tasks and of `labeled` items; and the
    number of `certified` items that no batch has taken. One query.
    """
    sums = project.batches.aggregate(
        items=Sum(F("size") - F("further"), default=0),
        control=Sum("control_tasks", default=0),
        labeled=Sum("labeled", default=0),
        certified=certified_unpicked(project),
    )
    return {name: n or 0 for name, n in sums.items()}


def unlabeled_items(project: Project, encoded: int, taken: Mapping[str, int], excluded: int) -> int:
    """Return the size of `ItemQuerySet.unlabeled`, a query that would read every item. One query.

    encoded: the number of encoded items (`encoded_items`).
    taken: `batch_sums` of the project.
    excluded: the number of encoded items that were excluded before a batch took them.
    """
    return encoded - taken["items"] - taken["certified"] - excluded - project.items.gold_unpicked().count()
