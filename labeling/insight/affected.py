"""Count the rows, files and versions that a change affects: of a whole project, or of one of its classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from labeling.answering.label_counts import counts_of
from labeling.arrays.files import ProjectFiles
from labeling.models import Annotation, LabelClass, ModelVersion, Project
from labeling.projects import quota
from labeling.shared_files import store


class Contents(NamedTuple):
    """Counts, and the bytes of all files: media, waiting uploads, matrices and models."""

    items: int
    labels: int
    annotations: int
    models: int
    members: int
    bytes: int


def contents_of(project: Project) -> Contents:
    """Count the project's rows over indexes, and sum the sizes of its files."""
    use = quota.use_of(project)
    root = ProjectFiles(project).root
    return Contents(
        items=project.items.count(),
        labels=project.items.labeled().count(),
        annotations=Annotation.objects.filter(task__batch__project=project).count(),
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
    """Return the labels and versions that a change of this class affects. `labels`: from `labels_by_class`. Takes one
    query.
    """
    versions = ModelVersion.objects.filter(project=label_class.project_id, classes__gt=label_class.index)
    numbers = list(versions.order_by("number").values_list("number", flat=True))
    return Touched(labels.get(label_class.index, 0), len(numbers), numbers[0] if numbers else None)
