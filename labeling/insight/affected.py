"""Count the rows, files and versions that a change affects: of a whole project, or of one of its classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from django.db.models import Sum

from labeling.insight.pool_counts import all_items
from labeling.labels.counting import annotations_of
from labeling.labels.label_counts import counts_of
from labeling.models import LabelClass, ModelVersion, Project
from labeling.projects import quota
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.shared_files import store


class Contents(NamedTuple):
    """The contents of a project, which a deletion would remove."""

    items: int
    labels: Annotated[int, "Items that have a label."]
    annotations: int
    models: Annotated[int, "Model versions."]
    members: int
    bytes: Annotated[int, "Of its files: media, uploads that wait, matrices and models."]


def contents_of(project: Project) -> Contents:
    """Return the project's counts, from counters and small indexes, and the sum of the sizes of its files."""
    use = quota.use_of(project)
    root = ProjectFiles(project).root
    counts = project.batches.aggregate(labels=Sum("labeled"), annotations=annotations_of(project))
    return Contents(
        items=all_items(project),
        labels=counts["labels"] or 0,
        annotations=counts["annotations"] or 0,
        models=project.versions.count(),
        members=project.memberships.count(),
        bytes=use.media + use.waiting + store().size_below(root),
    )


@dataclass(frozen=True, slots=True)
class Touched:
    """The number of labeled items of a class, and the number and the first of the model versions that know it."""

    labels: int
    versions: int
    first_version: int | None


def labels_by_class(project: Project) -> Mapping[int, int]:
    """Return the number of labeled items by class index; a `multi` item counts for each class of its label."""
    if project.asks.proposes:
        return {}
    return counts_of(project.asks, project.batches.filter(labeled__gt=0).select_related("label_counts")).classes


def touched_by(label_class: LabelClass, labels: Mapping[int, int]) -> Touched:
    """Return the labels and versions that a change of the class affects. `labels`: `labels_by_class`. One query."""
    versions = ModelVersion.objects.filter(project=label_class.project_id, classes__gt=label_class.index)
    numbers = list(versions.order_by("number").values_list("number", flat=True))
    return Touched(labels.get(label_class.index, 0), len(numbers), numbers[0] if numbers else None)
