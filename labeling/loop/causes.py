"""The settings that a step works by. A change of one of them ends the step, which then begins anew with the new ones.

A step reads them once, when it begins, and may go on for hours: a manager who takes a choice back must not have to wait
for what it caused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError

from labeling.models import Job, Project
from labeling.projects.model_settings import learner_of
from labeling.projects.training_settings import TrainConfig

# The same choice may be written in several ways: these fill in the defaults.
READ: dict[str, Callable[[Any], Any]] = {"model": learner_of, "training": TrainConfig.from_dict}


def settings_of(kind: str, project: Project) -> dict[str, Any]:
    """The settings that a step of this kind works by, as the project was read. None of a private project: each start of
    a training spends some of its budget, and its models have fixed settings.
    """
    if project.privacy_epsilon is not None:
        return {}
    return {name: _read(name, getattr(project, name)) for name in Job.Kind(kind).facts.settings}


def _read(name: str, value: Any) -> Any:
    try:
        return READ[name](value) if name in READ else value
    except (ValidationError, ValueError):
        return value


def stands(job: Job, settings: dict[str, Any]) -> bool:
    """Whether the project's settings are still these, and it is neither archived nor deleted. One query."""
    at_work = Project.objects.filter(pk=job.project_id, archived_at=None, deleted_at=None)
    project = at_work.only("privacy_epsilon", *job.facts.settings).first()
    if project is None:
        return False
    return project.privacy_epsilon is not None or settings_of(job.kind, project) == settings
