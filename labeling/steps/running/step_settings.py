"""The settings that a step depends on. If a manager changes one of them, the worker ends the step and starts it again.

A step reads its settings once, at its beginning, and may run for hours. A manager who changes a setting must not wait
for the end of a step with the old one.
"""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError

from labeling.models import Job, Project
from labeling.projects.model_settings import learner_of
from models_store.config import TrainConfig

# These functions fill in defaults, so that two spellings of the same setting compare equal.
READ: dict[str, Callable[[Any], Any]] = {
    "model": learner_of,
    "training": TrainConfig.from_dict,
    # The encoding itself replaces the server's choice by that of the first items.
    "encoder": lambda choice: {} if choice.get("by") else choice,
}


def settings_for(kind: str, project: Project) -> dict[str, Any]:
    """Return the settings of `project`, as it was read, that a step of this kind depends on.

    Empty for a private project: its models have fixed settings, and each new start of a training spends budget.
    """
    if project.privacy_epsilon is not None:
        return {}
    return {name: _read(name, getattr(project, name)) for name in Job.Kind(kind).facts.settings}


def _read(name: str, value: Any) -> Any:
    try:
        return READ[name](value) if name in READ else value
    except (ValidationError, ValueError):
        return value


def unchanged(job: Job, settings: dict[str, Any]) -> bool:
    """Return whether the project is at work and still has these settings. Takes one query."""
    at_work = Project.objects.filter(pk=job.project_id, archived_at=None, deleted_at=None)
    project = at_work.only("privacy_epsilon", *job.facts.settings).first()
    if project is None:
        return False
    return project.privacy_epsilon is not None or settings_for(job.kind, project) == settings
