"""What waits for a manager's word."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, IntegerField, QuerySet, Subquery
from django.db.models.functions import Coalesce

from labeling.models import Item, Project
from labeling.models.items import ItemQuerySet


@dataclass(frozen=True, slots=True)
class Attention:
    """Items that nobody has settled: flagged, in disagreement, skipped by all. One item may be in several."""

    flagged: int
    disagreement: int
    skipped: int

    @property
    def any(self) -> bool:
        return bool(self.flagged or self.disagreement or self.skipped)


def attention_of(project: Project) -> Attention:
    """The counts, in one query that reads no more than these items."""
    unsettled = Item.objects.filter(project=project).uncorrected()
    found: QuerySet[Project, tuple[int, int, int]] = Project.objects.filter(pk=project.pk).values_list(
        _count(unsettled.flagged()), _count(unsettled.in_disagreement()), _count(unsettled.skipped())
    )
    return Attention(*found.get())


def _count(items: ItemQuerySet) -> Coalesce:
    counted = items.order_by().values("project").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0, output_field=IntegerField())
