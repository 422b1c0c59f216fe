"""Figures of near-copies: how many people saw and confirmed, and how often checks confirm their labels."""

from collections import Counter
from dataclasses import dataclass
from typing import Annotated

from labeling.insight.annotators import Rate, rate
from labeling.models import Copy, CopyAnswer, Project


@dataclass(frozen=True, slots=True)
class ClassCopies:
    """The figures for the near-copies with one class as their label."""

    name: str
    propagated: Annotated[int, "Near-copies that have it as their label."]
    right: Annotated[Rate, "Of the checked ones, those that people gave it too."]


@dataclass(frozen=True, slots=True)
class CopyFigures:
    """The number of near-copies, of labels propagated to them, and of checks that confirm these labels."""

    shown: Annotated[int, "Near-copies that were chosen to be shown."]
    answered: Annotated[int, "Of these, near-copies that at least one person saw."]
    same: Annotated[int, "Of these, near-copies that no person took out."]
    propagated: Annotated[int, "Near-copies that have the label of their source."]
    due: Annotated[int, "Checks that wait for a batch."]
    right: Annotated[Rate, "Of the checked ones, those that people gave their source's label."]
    radius: Annotated[
        float | None,
        "The greatest distance at which near-copies get the label of their source; null if none gets it yet.",
    ]
    reach: Annotated[float | None, "The greatest distance at which near-copies are shown."]
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
