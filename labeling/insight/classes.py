"""What a change of a class is about: how many labels, which model versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labeling.answering.label_counts import counts_of
from labeling.models import LabelClass, ModelVersion, Project


@dataclass(frozen=True, slots=True)
class Touched:
    """Labeled items of a class, and the model versions that know it: their number and the first of them."""

    labels: int
    versions: int
    first_version: int | None


def labels_by_class(project: Project) -> Mapping[int, int]:
    """How many labeled items each class has; a `multi` item counts for each class of its label."""
    if project.asks.proposes:
        return {}
    return counts_of(project.asks, project.batches.filter(labeled__gt=0).select_related("label_counts")).classes


def touched_by(label_class: LabelClass, labels: Mapping[int, int]) -> Touched:
    """One query; `labels` as `labels_by_class` has them."""
    versions = ModelVersion.objects.filter(project=label_class.project_id, classes__gt=label_class.index)
    numbers = list(versions.order_by("number").values_list("number", flat=True))
    return Touched(labels.get(label_class.index, 0), len(numbers), numbers[0] if numbers else None)
