"""Values of a project as people send them."""

from __future__ import annotations

from typing import Any

from labeling.models import Project
from labeling.models.projects import MAX_CLASSES
from labeling.questions import labels


def read_value(project: Project, value: Any) -> labels.Stored:
    """What a client sent (class names, or a bool) as it is stored. Raises `labels.InvalidValue`. One query at most."""
    indices: dict[str, int] = {}
    if project.question != Project.Question.VERIFY:
        names = labels.names_in(value)
        if len(names) > MAX_CLASSES:
            raise labels.InvalidValue("These are more names than there can be classes.")
        indices = dict(project.classes.filter(name__in=names).values_list("name", "index"))
    return labels.parse(value, question=project.question, indices=indices)
