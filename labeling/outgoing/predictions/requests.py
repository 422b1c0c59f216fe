"""Predictions over HTTP: receive a file of items, have a worker predict them, keep the results for some days."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from labeling.intake import uploads
from labeling.models import Job, LogKind, ModelVersion, PredictionRun, User
from labeling.observing import auditlog
from labeling.outgoing.predictions import results
from labeling.projects import quota
from labeling.storage.shared_files import store

# For each project: the most files that wait, and the most results that are kept.
MOST_WAITING = 10
MOST_KEPT = 100


class PredictionError(Exception):
    """The request for predictions cannot be accepted now; the message says why."""


def ask(
    *,
    version: ModelVersion,
    user: User,
    name: str,
    chunks: Iterable[bytes],
    probabilities: bool,
    length: int | None = None,
    spooled_at: Path | None = None,
) -> PredictionRun:
    """Store a file of items, and enqueue the job that predicts them with the version.

    Raises `ValidationError` as `uploads.receive` does, `PredictionError` if too many files of the project wait, or the
    version has no model.
    """
    project = version.project
    if version.no_model:
        raise PredictionError(version.no_model)
    if project.predictions.unfinished().count() >= MOST_WAITING:
        raise PredictionError(
            gettext("%(n)s files of this project wait to be predicted. Send it when one is done.") % {"n": MOST_WAITING}
        )
    for old in project.predictions.exclude(finished_at=None).order_by("-pk")[MOST_KEPT - 1 :]:
        results.remove(old)
    path = uploads.keep(project=project, name=name, chunks=chunks, length=length, spooled_at=spooled_at)
    try:
        with transaction.atomic():
            run = PredictionRun.objects.create(
                project=project,
                version=version,
                name=uploads.sanitize_filename(name),
                path=store().recorded(path),
                probabilities=probabilities,
                created_by=user,
            )
            Job.objects.enqueue(Job.Kind.PREDICT, project=project, cause=run)
            subject, after = f"version {version.number}", {"prediction": run.pk, "file": run.name}
            auditlog.record(LogKind.PREDICTION_ASKED, project=project, subject=subject, after=after)
    except BaseException:
        uploads.give_up(path)
        raise
    return run


def remove(run: PredictionRun) -> None:
    """Remove the file, if it still waits, and the result."""
    results.remove(run)
    auditlog.record(LogKind.PREDICTION_REMOVED, project=run.project, subject=f"prediction {run.pk}")
    quota.discard(store().path_of(run.path))


def kept(version: ModelVersion, most: int) -> list[PredictionRun]:
    """Return the newest runs of the version that have not expired, at most `most`."""
    return list(version.predictions.kept(timezone.now()).select_related("created_by")[:most])
