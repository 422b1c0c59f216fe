"""The contents of a project, which managers see before they archive, delete or hand it over."""

from __future__ import annotations

from typing import NamedTuple

from labeling.arrays.files import ProjectFiles
from labeling.models import Annotation, Project
from labeling.projects import storage
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
    use = storage.use_of(project)
    root = ProjectFiles(project).root
    return Contents(
        items=project.items.count(),
        labels=project.items.labeled().count(),
        annotations=Annotation.objects.filter(task__batch__project=project).count(),
        models=project.versions.count(),
        members=project.memberships.count(),
        bytes=use.media + use.waiting + store().size_below(root),
    )
