"""Models that were trained elsewhere: receive the file, and have a worker make a model version of it.

`labeling.steps.register` reads the file; web processes only store it.
"""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext

from labeling.intake import uploads
from labeling.models import Job, LogKind, Project, Registration, User
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog
from labeling.projects.privacy import ledger
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.shared_files import StoreAway, store
from models_store import encoders

MOST_WAITING = 5
"""The most files of a project that wait for a worker."""
PRIVATE = (
    "This project has a privacy budget, which cannot count the training of an external model. "
    "Register the model in a project without a privacy budget."
)


class RegisterRefused(StateConflict):
    """The project takes no model now; the message says why."""


def manifest_for(project: Project, *, most_classes: int) -> dict[str, Any]:
    """Return the manifest of a model for the project, with the first classes alone if there are more.

    The encoder is empty as long as the project has none.
    """
    names = list(project.classes.order_by("index").values_list("name", flat=True))
    return {
        "format_version": 1,
        "question": project.question,
        "classes": names if len(names) <= most_classes else [*names[:most_classes], "…"],
        "encoder": encoder_of(project),
    }


def encoder_of(project: Project) -> dict[str, str]:
    """Return the name and digest of the encoder for a model's manifest; empty as long as the project has none."""
    path = ProjectFiles(project).encoder(project.features_generation)
    try:
        return encoders.stated(store().local(path))
    except (FileNotFoundError, StoreAway, encoders.EncoderFileError):
        return {"name": "", "digest": ""}


def receive(*, project: Project, user: User | None, name: str, **upload: Any) -> Registration:
    """Store a file with a model, and enqueue the job that registers it. `upload`: as for `uploads.store_upload`.

    Raises `ValidationError` as `uploads.store_upload` does, and `RegisterRefused`.
    """
    if ledger.is_private(project):
        raise RegisterRefused(PRIVATE)
    if project.registrations.waiting().count() >= MOST_WAITING:
        raise RegisterRefused(
            gettext("%(n)s models are waiting to be registered. Send this one when one of them is done.")
            % {"n": MOST_WAITING}
        )
    with uploads.stored(project=project, name=name, **upload) as path, transaction.atomic():
        registration = Registration.objects.create(
            project=project, name=uploads.sanitize_filename(name), path=store().recorded(path), created_by=user
        )
        Job.objects.enqueue(Job.Kind.REGISTER, project=project, cause=registration)
        after = {"registration": registration.pk, "file": registration.name}
        auditlog.record(LogKind.MODEL_HANDED_IN, project=project, after=after)
    return registration
