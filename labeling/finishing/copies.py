"""Near-copies with their source's label count as labels by people."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db.models import Count

from labeling.models import Copy, Project

Counts = tuple[Counter[Any], Counter[Any]]
"""The numbers of labels, and of the wrong ones that are expected among them, by class, or in all by None."""


def copied_labels(project: Project, *, by_class: bool = False) -> Counts:
    """Return the counts of near-copies with a label. Takes one query, two if there are any, or none if the
    project cannot show near-copies.

    A near-copy is expected to be wrong as often as people's answers to checks within the radius differ.
    """
    number, wrong = Counter[Any](), Counter[Any]()
    if not project.can_show_copies:
        return number, wrong
    propagated = Copy.objects.propagated().filter(batch__project=project).order_by()
    for row in propagated.values("of__label" if by_class else "batch__project").annotate(n=Count("pk")):
        number[project.asks.counted(project.follow(row["of__label"]))[0] if by_class else None] += row["n"]
    if number:
        checks = Copy.objects.checked().trusted().filter(batch__project=project).values_list("of__label", "item__label")
        differ = [project.follow(source) != project.follow(own) for source, own in checks]
        share = (sum(differ) + 0.5) / (len(differ) + 1)
        wrong.update({key: share * n for key, n in number.items()})
    return number, wrong
