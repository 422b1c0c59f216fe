"""Receive predictions that were made outside, or have a worker ask the project's server for them."""

from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from labeling.intake import uploads
from labeling.intake.prediction_files import check_name
from labeling.intake.readers import UnreadableFile
from labeling.models import Job, LogKind, PredictionServer, PredictionSet, Project, User
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog
from labeling.storage.db.sealed import seal
from labeling.storage.shared_files import store

MOST_WAITING = 10


class PredictionsRefused(StateConflict):
    """The project takes no predictions now; the message says why."""


def receive(*, project: Project, user: User, name: str, strict: bool = True, **upload: Any) -> PredictionSet:
    """Store a file of predictions, and enqueue the job that reads it.

    `strict`: refuse predictions that do not cover all items of the pool. `upload`: as for `uploads.store_upload`.

    Raises `PredictionsRefused`, and `ValidationError` as `uploads.store_upload` does or for another kind of file.
    """
    shown = uploads.sanitize_filename(name)
    _check_takes_predictions(project)
    _check_form(shown)
    with uploads.stored(project=project, name=name, **upload) as path:
        return _enqueue(project, user, name=shown, path=store().recorded(path), strict=strict)


def register(*, project: Project, path: Path, taken_by: str, strict: bool = True) -> PredictionSet:
    """Create a set of a file on this host, whose job the process `taken_by` has taken. The file stays. `strict`: as in
    `receive`.

    Raises `PredictionsRefused`, and `ValidationError` for another kind of file.
    """
    _check_takes_predictions(project)
    _check_form(path.name)
    with transaction.atomic():
        recorded = store().recorded(path)
        handed = _enqueue(project, None, name=path.name[-200:], path=recorded, owns_file=False, strict=strict)
        assert handed.job is not None
        Job.objects.take(handed.job, taken_by, timezone.now())
    return handed


def ask(*, project: Project, user: User | None) -> PredictionSet:
    """Have a worker ask the project's server for predictions. Raises `PredictionsRefused`."""
    if not hasattr(project, "prediction_server"):
        raise PredictionsRefused(gettext("This project has no prediction server. Enter its URL first."))
    if waiting := project.prediction_sets.unfinished().filter(path="").first():
        return waiting
    _check_takes_predictions(project)
    # The host alone: auditors and engineers read the name, and the rest of the address may hold a secret.
    return _enqueue(project, user, name=urlsplit(project.prediction_server.url).netloc[:200])


def ask_after_batch(project: Project) -> None:
    """Ask the server, if the project has one, trains no models and takes predictions now. Call it in the transaction
    that ends a batch.
    """
    if hasattr(project, "prediction_server") and not project.trains and project.items.unlabeled().exists():
        with suppress(PredictionsRefused):
            ask(project=project, user=None)


def _check_takes_predictions(project: Project) -> None:
    if project.privacy_epsilon is not None:
        raise PredictionsRefused(
            gettext(
                "This project has a privacy budget, and it is not known what external predictions reveal. To "
                "use them, remove the budget."
            )
        )
    if project.prediction_sets.unfinished().count() >= MOST_WAITING:
        raise PredictionsRefused(
            gettext("%(n)s sets of predictions are waiting to be read. Send this one later.") % {"n": MOST_WAITING}
        )


def _check_form(name: str) -> None:
    try:
        check_name(name)
    except UnreadableFile as error:
        raise ValidationError(str(error)) from error


@transaction.atomic
def _enqueue(project: Project, user: User | None, **fields: str | bool) -> PredictionSet:
    handed = PredictionSet.objects.create(project=project, created_by=user, **fields)
    Job.objects.enqueue(Job.Kind.GIVEN, project=project, cause=handed)
    after = {"set": handed.pk, "name": handed.name}
    auditlog.record(LogKind.PREDICTIONS_HANDED_IN, project=project, after=after)
    return handed


@transaction.atomic
def set_server(*, project: Project, url: str, username: str = "", password: str = "") -> PredictionServer:
    """Set the project's server. Without a password, the present one stays if address and name stay: it must not go to
    another address.
    """
    server = PredictionServer.objects.filter(project=project).first() or PredictionServer(project=project)
    same = (server.url, server.username) == (url, username)
    if password or not same:
        server.password = seal(password) if password else ""
    server.url, server.username = url, username
    server.save()
    # The address can hold a secret, and auditors read the log.
    auditlog.record(LogKind.PREDICTION_SERVER, project=project, after={"host": urlsplit(url).hostname})
    return server


@transaction.atomic
def remove_server(project: Project) -> bool:
    """Remove the project's server. Return False if it has none. Predictions that it made stay."""
    removed = bool(PredictionServer.objects.filter(project=project).delete()[0])
    if removed:
        auditlog.record(LogKind.PREDICTION_SERVER, project=project, after={"host": None})
    return removed
