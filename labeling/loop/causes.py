"""The settings that a step works by. A change of one of them ends the step, which then begins anew with the new ones.

A step reads them once, when it begins, and may go on for hours: a manager who takes a choice back must not have to wait
for what it caused.
"""

from __future__ import annotations

from typing import Any

from labeling.models import Job, Project

LEARNING = ("model", "training")
SETTINGS: dict[str, tuple[str, ...]] = {
    Job.Kind.TRAIN: LEARNING,
    Job.Kind.CALIBRATE: LEARNING,
    Job.Kind.BASELINE: LEARNING,
    Job.Kind.MISLABELED: LEARNING,
    Job.Kind.ENCODE: ("encoder",),
}
FIELDS = tuple(sorted({name for names in SETTINGS.values() for name in names}))


def settings_of(kind: str, project: Project) -> tuple[Any, ...]:
    """What a step of this kind works by, as the project was read. Of a private project nothing: each start of a
    training costs some of its budget, and its models have fixed settings.
    """
    if project.privacy_epsilon is not None:
        return ()
    return tuple(getattr(project, name) for name in SETTINGS.get(kind, ()))


def stands(job: Job, settings: tuple[Any, ...]) -> bool:
    """Whether the project's settings are still these, and it is neither archived nor deleted. One query."""
    at_work = Project.objects.filter(pk=job.project_id, archived_at=None, deleted_at=None)
    project = at_work.only("privacy_epsilon", *FIELDS).first()
    if project is None:
        return False
    return project.privacy_epsilon is not None or settings_of(job.kind, project) == settings
