"""Figures of near-copies: how many people saw and confirmed, and how often checks confirm their labels."""

from collections import Counter
from dataclasses import dataclass

from labeling.insight.annotators import Rate, rate
from labeling.models import Copy, CopyAnswer, Project


@dataclass(frozen=True, slots=True)
class ClassCopies:
    """A class: the near-copies with its label, and the share of checked ones to which people gave the same label."""

    name: str
    propagated: int
    right: Rate


@dataclass(frozen=True, slots=True)
class CopyFigures:
    """The figures of a project's near-copies.

    shown: all copies; answered: copies that a person saw beside their source; same: copies that every person left in;
    propagated: copies with their source's label; due: checks without an answer yet; right: the share of checked copies
    to which people gave their source's label.

    radius, reach: the largest heights in the dendrogram at which copies get their source's label, and at which they are
    shown, from the newest batch with copies. `radius` is None if no copy gets a label, `reach` if none is shown.
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
    """Return the figures of the project's near-copies. Takes eight queries, which read all copies of the project."""
    copies = Copy.objects.filter(batch__project=project)
    words = CopyAnswer.objects.filter(annotation__undone_at__isnull=True, copy__batch__project=project)
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
