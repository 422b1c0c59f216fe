"""Predict the items of an uploaded file in the background.

The step appends rows to a file and then records the file's size in a transaction. After a kill, the next attempt
truncates the file to the recorded size and goes on from there.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import IO

import orjson
from django.db.models import F
from django.utils import timezone

from labeling.intake.readers import Source, UnreadableFile, open_source
from labeling.loop.step import ComputeAway, Step, StepFailed, StepLost
from labeling.models import PredictionRun
from labeling.outgoing import artifacts
from labeling.projects import quota
from labeling.steps.model_inputs import VersionDamaged
from labeling.steps.prediction_rows import PredictedChunk, Predictor
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileDamaged
from labeling.storage.shared_files import store

# The most rejected rows that the run lists.
LISTED = 100
# The largest result, which lies on the server's disk.
MOST_BYTES = 2 << 30


class _Refused(Exception):
    """The file cannot be predicted; the message says what its sender can do."""


def predict(step: Step) -> None:
    """Predict the job's file, or record on the run why that is not possible."""
    run = step.job.prediction
    PredictionRun.objects.filter(pk=run.pk).update(state=PredictionRun.State.RUNNING)
    result = ProjectFiles(run.project).owned(run)
    try:
        _predict(step, run, result)
    except FileDamaged:  # it is rebuilt, and the step runs again
        raise
    except VersionDamaged as error:
        artifacts.report(run.version, error.problem)
        _finish(step, run, state=PredictionRun.State.FAILED, reason=str(error)[:500])
    except (_Refused, UnreadableFile, StepFailed) as error:
        _finish(step, run, state=PredictionRun.State.FAILED, reason=str(error)[:500])
    except OSError as error:
        reason = f"The server cannot read the file or store the result ({error.strerror or error}). See its log."
        _finish(step, run, state=PredictionRun.State.FAILED, reason=reason)
    except StepLost:
        if not PredictionRun.objects.filter(pk=run.pk).exists():  # removed meanwhile, with its files
            store().remove(result)
        raise
    if step.finished:
        quota.discard(store().path_of(run.path))


def _predict(step: Step, run: PredictionRun, result: Path) -> None:
    step.progress("loading model version", of=str(run.version.number))(0)
    # With the calibration of the run's creation: a resumed run uses the same one.
    predictor = Predictor(run.project, run.version, probabilities=run.probabilities, at=run.created_at)
    _bring(run, result)
    with (
        open_source(store().local(store().path_of(run.path)), kind=run.project.kind, name=run.name) as source,
        result.open("r+b" if result.exists() else "w+b") as file,
    ):
        file.truncate(run.size)
        file.seek(0, os.SEEK_END)
        if run.total is None and source.total is not None:
            PredictionRun.objects.filter(pk=run.pk).update(total=source.total)
        away = None
        try:
            complete = _all_parts(step, run, predictor, source, file)
        except ComputeAway as error:
            complete, away = False, error
    store().publish(result)  # before the job is another worker's
    if away is not None:
        raise away
    if complete:
        _finish(step, run, state=PredictionRun.State.DONE, total=run.position)
    else:
        step.give_way()


def _bring(run: PredictionRun, result: Path) -> None:
    """Fetch the result up to the recorded size. If it was lost with another host, restart the run."""
    result.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        store().local(result)
    if run.size and (not result.exists() or result.stat().st_size < run.size):
        run.position = run.predicted = run.rejected = run.size = 0
        run.rejections = []
        run.save(update_fields=["position", "predicted", "rejected", "size", "rejections"])


def _all_parts(step: Step, run: PredictionRun, predictor: Predictor, source: Source, file: IO[bytes]) -> bool:
    """Predict the file chunk by chunk, and write the rows. Return False if the step has to give way first."""
    report = step.progress("predicting", of=run.name)
    for chunk in predictor.chunks(source, skip=run.position):
        _write(step, run, chunk, file)
        report(source.position())
        if step.should_give_way():
            return False
    return True


def _write(step: Step, run: PredictionRun, chunk: PredictedChunk, file: IO[bytes]) -> None:
    file.write(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in chunk.rows))
    file.flush()
    os.fsync(file.fileno())
    size = file.tell()
    if size > MOST_BYTES:
        raise _Refused(
            f"The result is larger than {MOST_BYTES >> 30} GiB. Split the file, or use the command `predict` on the "
            "server."
        )
    rejections = [{"where": each.where, "reason": each.reason} for each in chunk.rejections]
    run.rejections = [*run.rejections, *rejections][:LISTED]
    try:
        _count(step, run, chunk, size)
    except quota.NoRoom as error:
        file.truncate(run.size)
        raise _Refused(str(error.message)) from error


def _count(step: Step, run: PredictionRun, chunk: PredictedChunk, size: int) -> None:
    """Record the chunk, and the result's new `size`, on the run. Raises `NoRoom` if the project has no room for it."""
    with step.write():
        quota.check_room(run.project, size - run.size, lock=True)
        PredictionRun.objects.filter(pk=run.pk).update(
            position=F("position") + chunk.records,
            predicted=F("predicted") + len(chunk.rows),
            rejected=F("rejected") + len(chunk.rejections),
            rejections=run.rejections,
            size=size,
        )
    run.position += chunk.records
    run.size = size


def _finish(step: Step, run: PredictionRun, **values: object) -> None:
    with step.finish():
        PredictionRun.objects.filter(pk=run.pk).update(finished_at=timezone.now(), **values)
