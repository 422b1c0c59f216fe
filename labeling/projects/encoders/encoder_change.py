"""Choose the encoder of a project before its first item is encoded; afterwards ask for a change, withdraw it, and carry
it out.
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from labeling.models import EncoderChange, Job, LogKind, Project, User
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog
from labeling.projects.encoders.embedding_servers import check_encoder_choice
from labeling.projects.encoders.encoder_comparison import own_choice
from labeling.projects.settings import errors_of


class ChangeRefused(StateConflict):
    """The encoder cannot be changed now; the message says why."""


class EncoderSettled(StateConflict):
    """The encoder of a project can no longer be changed; the message says why."""


@transaction.atomic
def choose_encoder(*, project: Project, choice: Mapping[str, Any]) -> None:
    """Set the encoder of the project, and enqueue a job that encodes the items that wait.

    Raises `ValidationError` for an invalid choice. Raises `EncoderSettled` once an item is encoded: features of two
    encoders cannot be compared.
    """
    with errors_of("encoder"):
        check_encoder_choice(project, choice)
    if not Project.objects.filter(pk=project.pk, features_generation=0).update(encoder=choice):
        raise EncoderSettled(gettext("The project's items are already encoded. Another encoder needs another project."))
    before, project.encoder = project.encoder, dict(choice)
    if project.items.unencoded().exists():
        Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    auditlog.record(LogKind.ENCODER_CHANGED, project=project, before=before, after=choice)


def change_of(project: Project) -> EncoderChange | None:
    """Return the change that a manager has asked for, or None. One query."""
    return EncoderChange.objects.filter(project=project).first()


@transaction.atomic
def ask(*, project: Project, choice: Mapping[str, Any], user: User | None) -> EncoderChange:
    """Ask for another encoder, in place of an earlier request, and enqueue the encoding of all items.

    Raises `ChangeRefused`, and `ValidationError` for an invalid choice.
    """
    project = Project.objects.locked(project.pk)
    with errors_of("encoder"):
        choice = {"options": {}, **check_encoder_choice(project, choice)}
    if not project.features_generation:
        raise ChangeRefused(gettext("No item is encoded yet: choose the encoder itself."))
    if choice == own_choice(project):
        raise ChangeRefused(gettext("The items are already encoded with this %(choice)s.") % {"choice": choice["name"]})
    change = change_of(project)
    if change is None or change.choice != choice:
        with auditlog.part_of_one():
            withdraw(project=project)
        change = EncoderChange.objects.create(project=project, choice=choice, user=user, asked_at=timezone.now())
    EncoderChange.objects.filter(pk=change.pk).update(problem="")
    Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    auditlog.record(LogKind.ENCODER_CHANGED, project=project, before=own_choice(project), after={"asked": choice})
    return change


@transaction.atomic
def withdraw(*, project: Project) -> None:
    """Withdraw the request, and keep the present encoder. Does nothing without a request.

    Raises `ChangeRefused` while a version is being trained with the new encoder.
    """
    change = EncoderChange.objects.select_for_update().filter(project=project).first()
    if change is None:
        return
    if change.generation and Job.objects.running().filter(project=project, kind=Job.Kind.TRAIN).exists():
        raise ChangeRefused(gettext("A version is being trained, perhaps with the new encoder. Wait for its end."))
    change.delete()
    auditlog.record(LogKind.ENCODER_CHANGED, project=project, after={"withdrawn": change.choice})


def carry_out(*, project: Project, change: EncoderChange, number: int) -> bool:
    """Make the change's encoder that of the project, from version `number` on. Call in the transaction that writes the
    version.

    Return False, and change nothing, if the request was withdrawn or its features do not cover all rows any more.
    """
    Project.objects.locked(project.pk)
    if not EncoderChange.objects.ready().filter(pk=change.pk, generation=change.generation).exists():
        return False
    EncoderChange.objects.filter(pk=change.pk).delete()
    Project.objects.filter(pk=project.pk).update(
        encoder=change.choice, features_generation=change.generation, encoder_since=number
    )
    return True
