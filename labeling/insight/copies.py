"""How near-copies fare: how many were shown and left in, and how often checks bear out their labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from labeling.insight.annotators import Rate, rate
from labeling.models import Copy, CopyAnswer, Project


@dataclass(frozen=True, slots=True)
class ClassCopies:
    """A class: near-copies that have its label, and of those checked the ones that people gave the same label."""

    name: str
    propagated: int
    right: Rate


@dataclass(frozen=True, slots=True)
class CopyFigures:
    """`answered`: copies that somebody has seen beside their source; `same`: those that everybody left in. `due`:
    checks that nobody has answered yet. `right`: of the checked ones, those that people gave their source's label.

    `radius`, in the dendrogram's metric: copies so far from their source have its label; `reach`: so far they are
    shown. Both are those of the newest batch with copies; None: none has a label yet, or none is shown.
    """

    shown: int
    answered: int
    same: int
    propagated: int
    due: int
    right: Rate
    radius: float | None
    reach: float | None
    classes: list[ClassCopies]


def copy_figures(project: Project) -> CopyFigures:
    """Eight queries, which visit all copies of the project."""
    copies = Copy.objects.filter(of__project=project)
    words = CopyAnswer.objects.filter(annotation__undone_at__isnull=True, copy__of__project=project)
    batch = project.batches.filter(copy_reach__isnull=False).order_by("-number").first()
    checked, right, propagated = Counter[int](), Counter[int](), Counter[int]()
    n = agreeing = 0
    for source, own in copies.checked().values_list("of__label", "item__label"):
        agrees = project.follow(source) == project.follow(own)
        n, agreeing = n + 1, agreeing + agrees
        for index in project.asks.counted(project.follow(source)):
            checked[index] += 1
            right[index] += agrees
    labels = copies.propagated().values_list("of__label", flat=True)
    total = 0
    for label in labels.iterator(chunk_size=5000):
        total += 1
        propagated.update(project.asks.counted(project.follow(label)))
    names = project.class_names(checked.keys() | propagated.keys())
    return CopyFigures(
        shown=copies.count(),
        answered=words.values("copy").distinct().count(),
        same=copies.confirmed().count(),
        propagated=total,
        due=copies.due().count(),
        right=rate(agreeing, n),
        radius=batch.copy_radius if batch else None,
        reach=batch.copy_reach if batch else None,
        classes=[
            ClassCopies(names[index], propagated[index], rate(right[index], checked[index])) for index in sorted(names)
        ],
    )


def copy_values(project: Project) -> dict[str, Any]:
    """The same as the API has it."""
    return asdict(copy_figures(project))
