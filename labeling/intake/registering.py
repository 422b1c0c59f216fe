"""Models that were trained elsewhere: receive the file, and have a worker make a model version of it.

`labeling.steps.register` reads the file; web processes only store it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from django.db import transaction

from labeling.intake import uploads
from labeling.models import Job, Project, Registration, User
from labeling.projects import ledger
from labeling.shared_files import store

MOST_WAITING = 5
"""The most files of a project that wait for a worker."""
PRIVATE = (
    "This project is private: its ledger counts the trainings on its labels, and cannot count those of a model from "
    "elsewhere. Register the model in a project without a privacy budget."
)


class RegisterRefused(Exception):
    """The project takes no model now; the message says why."""


def receive(
    *,
    project: Project,
    user: User | None,
    name: str,
    chunks: Iterable[bytes],
    length: int | None = None,
    spooled_at: Path | None = None,
) -> Registration:
    """Store a file with a model, and enqueue the job that registers it.

    Raises `ValidationError` as `uploads.receive` does, and `RegisterRefused`.
    """
    if ledger.is_private(project):
        raise RegisterRefused(PRIVATE)
    if project.registrations.waiting().count() >= MOST_WAITING:
        raise RegisterRefused(f"{MOST_WAITING} models wait to be registered. Send it when one of them is done.")
    path = uploads.keep(project=project, name=name, chunks=chunks, length=length, spooled_at=spooled_at)
    try:
        with transaction.atomic():
            registration = Registration.objects.create(
                project=project, name=uploads.plain_name(name), path=store().recorded(path), created_by=user
            )
            Job.objects.enqueue(Job.Kind.REGISTER, project=project, cause=registration)
    except BaseException:
        uploads.give_up(path)
        raise
    return registration
