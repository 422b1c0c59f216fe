"""Count answers by the version of the guidelines."""

from __future__ import annotations

from django.db.models import Count

from labeling.models import Annotation, Project


def answers_by_version(project: Project) -> dict[int, int]:
    """The number of standing answers by guidelines version; version 0 means none or unknown. One query."""
    answers = Annotation.objects.answers().filter(task__batch__project=project).order_by()
    return dict(answers.values_list("guidelines_version").annotate(n=Count("pk")))
