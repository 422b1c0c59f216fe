"""The items that wait for a manager's decision."""

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Max, OuterRef, QuerySet, Subquery, Sum

from labeling.labels.counting import counted
from labeling.models import Annotation, Correction, Project, Task


@dataclass(frozen=True, slots=True)
class Attention:
    """Numbers of items without a correction: flagged, divided, tied, skipped by all; an item may count in several."""

    flagged: int
    disagreement: int
    undecided: int
    skipped: int

    @property
    def any(self) -> bool:
        return bool(self.flagged or self.disagreement or self.undecided or self.skipped)


def flagged_in(project: Project) -> QuerySet[Any]:
    """Return the standing annotations with a flag, each with its item's key as `item`."""
    # A subquery for each of the few flagged annotations: for a join, SQLite would read all tasks.
    item = Task.objects.filter(pk=OuterRef("task"), batch__project=project).order_by().values("item")
    flagged = Annotation.objects.standing().filter(flagged=True)
    return flagged.alias(item=Subquery(item)).filter(item__isnull=False)


def attention_of(project: Project) -> Attention:
    """Return the counts of the project. One query, which reads only the flagged items and those in disagreement."""
    settled = Correction.objects.standing().values("item")
    out = project.items.excluded()
    unsettled = project.items.kept().uncorrected()
    excluded_skips = out.uncorrected().filter(label__isnull=True, task__outstanding=0)
    further = Task.objects.further().filter(batch__project=project, outstanding=0)
    counts = project.batches.aggregate(
        flagged=Max(
            counted(flagged_in(project).exclude(item__in=settled).exclude(item__in=out.values("pk")), different="task")
        ),
        disagreement=Max(counted(unsettled.in_disagreement())),
        undecided=Max(counted(project.items.undecided())),
        # Complete tasks whose item has no label. Corrected items have one.
        skipped=Sum(F("size") - F("remaining") - F("labeled"))
        - Max(counted(excluded_skips))
        - Max(counted(further))
        - Max(counted(project.items.undecided())),
    )
    return Attention(**{name: n or 0 for name, n in counts.items()})
