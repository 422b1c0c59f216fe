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


def _learning(project: Project) -> Any:
    """What learns, and how, with defaults filled in: the same choice may be written in several ways."""
    try:
        learner, options = learner_of(project.model)
        return learner.name, options, TrainConfig.from_dict(project.training)
    except (ValidationError, ValueError):
        return project.model, project.training


def _encoding(project: Project) -> Any:
    return project.encoder


SETTINGS: dict[str, Callable[[Project], Any]] = {
    Job.Kind.TRAIN: _learning,
    Job.Kind.CALIBRATE: _learning,
    Job.Kind.BASELINE: _learning,
    Job.Kind.MISLABELED: _learning,
    Job.Kind.ENCODE: _encoding,
}


def settings_of(kind: str, project: Project) -> Any:
    """What a step of this kind works by, as the project was read. Of a private project nothing: each start of a
    training costs some of its budget, and its models have fixed settings.
    """
    if project.privacy_epsilon is not None or kind not in SETTINGS:
        return None
    return SETTINGS[kind](project)


def stands(job: Job, settings: Any) -> bool:
    """Whether the project's settings are still these, and it is neither archived nor deleted. One query."""
    at_work = Project.objects.filter(pk=job.project_id, archived_at=None, deleted_at=None)
    project = at_work.only("privacy_epsilon", "model", "training", "encoder").first()
    if project is None:
        return False
    return project.privacy_epsilon is not None or settings_of(job.kind, project) == settings
