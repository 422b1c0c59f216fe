"""The labels and model versions that a change of a class affects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labeling.answering.label_counts import counts_of
from labeling.models import LabelClass, ModelVersion, Project


@dataclass(frozen=True, slots=True)
class Touched:
    """The number of labeled items of a class, and the number and the first of the model versions that know it."""

    labels: int
    versions: int
    first_version: int | None


def labels_by_class(project: Project) -> Mapping[int, int]:
    """The number of labeled items by class index; a `multi` item counts for each class of its label."""
    if project.asks.proposes:
        return {}
    return counts_of(project.asks, project.batches.filter(labeled__gt=0).select_related("label_counts")).classes


def touched_by(label_class: LabelClass, labels: Mapping[int, int]) -> Touched:
    """The labels and versions that a change of this class affects. `labels`: from `labels_by_class`. One query."""
    versions = ModelVersion.objects.filter(project=label_class.project_id, classes__gt=label_class.index)
    numbers = list(versions.order_by("number").values_list("number", flat=True))
    return Touched(labels.get(label_class.index, 0), len(numbers), numbers[0] if numbers else None)
