"""Predictions of uploaded items that do not enter the project: a file in, a row for each item out. No torch.

`ask` stores the file and enqueues the job, `labeling.steps.predict` predicts it, `pages` reads the result, which is
kept for some days. A row holds

    where           its place in the file: "line 17", "cats/a.png"
    external_id     as an import would name it
    proposed        for `verify`: the class that was asked about
    label           a class, for `multi` a list of classes, for `verify` true or false
    confidence      the probability of the label, for `multi` of each of its classes
    margin          0 is full doubt, 1 none (`models_store.questions.Decision`)
    probabilities   if asked for: by class; for `verify` of yes and no
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
from django.db import transaction
from django.utils.translation import gettext

from labeling.intake import uploads
from labeling.models import Job, LogKind, ModelVersion, PredictionRun, User
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog
from labeling.outgoing.formats import Layout, Page, Row
from labeling.outgoing.formats.base import label_type
from labeling.projects import quota
from labeling.questions import Question
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileDamaged, reading
from labeling.storage.shared_files import read_whole, store

# For each project: the most files that wait, and the most results that are kept.
MOST_WAITING = 10
MOST_KEPT = 100
# A page ends after this number of rows or of bytes, whichever comes first.
PAGE = 500
PAGE_BYTES = 4 << 20


class PredictionError(StateConflict):
    """The request for predictions cannot be accepted now; the message says why."""


def ask(*, version: ModelVersion, user: User, name: str, probabilities: bool, **upload: Any) -> PredictionRun:
    """Store a file of items, and enqueue the job that predicts them with the version. `upload`: as for
    `uploads.store_upload`.

    Raises `ValidationError` as `uploads.store_upload` does, `PredictionError` if too many files of the project wait, or
    the version has no model.
    """
    project = version.project
    if version.no_model:
        raise PredictionError(version.no_model)
    if project.predictions.unfinished().count() >= MOST_WAITING:
        raise PredictionError(
            gettext("%(n)s files of this project are waiting to be predicted. Send this one when one is done.")
            % {"n": MOST_WAITING}
        )
    for old in project.predictions.exclude(finished_at=None).order_by("-pk")[MOST_KEPT - 1 :]:
        discard(old)
    with uploads.stored(project=project, name=name, **upload) as path, transaction.atomic():
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
    return run


def remove_run(run: PredictionRun) -> None:
    """Remove the file, if it still waits, and the result."""
    discard(run)
    auditlog.record(LogKind.PREDICTION_REMOVED, project=run.project, subject=f"prediction {run.pk}")
    quota.discard(store().path_of(run.path))


def shape_of(run: PredictionRun) -> RowShape:
    """Return the shape of the result's rows. Raises `FileDamaged` or `FileMissing`."""
    first = next(pages(run, most=1), None)
    return RowShape(run.project.asks, tuple(first[0]["probabilities"]) if first and run.probabilities else ())


def pages(run: PredictionRun, *, most: int | None = None) -> Iterator[Page]:
    """Yield at most `most` of the rows recorded so far. Raises `FileMissing`, or `FileDamaged` for a changed result."""
    path = read_whole(ProjectFiles(run.project).owned(run), lambda here: _as_long(here, run.size))
    with reading(path) as file:
        page: Page = []
        weight = 0
        for line in islice(_lines(file, run.size), most):
            try:
                page.append(orjson.loads(line))
            except orjson.JSONDecodeError as error:
                raise FileDamaged(path, "it has a line that is no row") from error
            weight += len(line)
            if len(page) == PAGE or weight >= PAGE_BYTES:
                yield page
                page, weight = [], 0
        if page:
            yield page


def _as_long(path: Path, size: int) -> Path:
    """Return the path, if its file has at least `size` bytes. Raises `FileMissing` or `FileDamaged` otherwise."""
    with reading(path) as file:
        length = file.seek(0, io.SEEK_END)
    if length < size:
        raise FileDamaged(path, f"it has {length:,} bytes, and not {size:,}")
    return path


def _lines(file: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield the lines within the first `size` bytes: a killed attempt may have left bytes after them."""
    for line in file:
        size -= len(line)
        if size < 0:
            return
        yield line


def discard(run: PredictionRun) -> None:
    """Remove the run with its result. A worker that carries out the run notices the removal, and stops."""
    store().remove(ProjectFiles(run.project).owned(run))
    run.delete()


def remove_expired(now: datetime.datetime) -> None:
    """Remove the expired runs."""
    for run in PredictionRun.objects.expired(now).select_related("project"):
        discard(run)


class RowShape(NamedTuple):
    """The shape of all rows: the project's question, and the class names in `probabilities`; empty without these."""

    question: Question
    probabilities: Sequence[str] = ()

    @property
    def columns(self) -> list[str]:
        proposed = ["proposed"] if self.question.proposes else []
        return ["where", "external_id", *proposed, "label", "confidence", "margin"]

    @property
    def layout(self) -> Layout:
        """Return a typed column for each of `columns`, and a column `p_CLASS` for each class in `probabilities`."""
        confidence = pa.list_(pa.float32()) if self.question.per_class else pa.float32()
        types = {"label": label_type(self.question.exported_as), "confidence": confidence, "margin": pa.float32()}
        fields = [(column, types.get(column, pa.string())) for column in self.columns]
        fields += [(f"p_{name}", pa.float32()) for name in self.probabilities]
        return Layout(pa.schema(fields), as_columns=lambda page: [_flat(row) for row in page])


def _flat(row: Row) -> Row:
    """Return the row with a column for each probability."""
    return {**row, **{f"p_{name}": p for name, p in row.get("probabilities", {}).items()}}
