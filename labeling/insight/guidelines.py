"""What was answered under which version of the guidelines."""

from __future__ import annotations

from django.db.models import Count

from labeling.models import Annotation, Project


def answers_by_version(project: Project) -> dict[int, int]:
    """How many standing answers have each version of the guidelines; 0 stands for none, or not known. One query."""
    answers = Annotation.objects.answers().filter(task__batch__project=project).order_by()
    return dict(answers.values_list("guidelines_version").annotate(n=Count("pk")))
