"""Predict the items of a file with the project's encoder and a model version, chunk by chunk.

The step appends rows to a file and then records the file's size in a transaction. After a kill, the next attempt
truncates the file to the recorded size and goes on from there.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson
from django.db.models import F
from django.utils import timezone

from labeling import kinds
from labeling.intake.checking import chunks
from labeling.intake.drafts import Draft, Rejection
from labeling.intake.readers import Source, UnreadableFile, open_source
from labeling.intake.rules import Rules
from labeling.intake.run import rules_of
from labeling.loop.step import ComputeAway, Step, StepFailed, StepLost
from labeling.models import ModelVersion, PredictionRun, Project
from labeling.outgoing import artifacts
from labeling.outgoing.formats import Row
from labeling.outgoing.predictions import RowShape
from labeling.projects import quota
from labeling.steps.features import encode_good, load_encoder
from labeling.steps.model_inputs import VersionDamaged, load_model
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileDamaged
from labeling.storage.shared_files import store
from models_store.encoders import Encoder
from models_store.model import Model
from models_store.prediction import Prediction
from models_store.prediction import predict as predictions_of

# The most rejected rows that the run lists.
LISTED = 100
# The largest result, which lies on the server's disk.
MOST_BYTES = 2 << 30
# The most probabilities in memory at once, as Python floats.
MOST_PROBABILITIES = 1_000_000
# The digits of a float32; as a Python float it would be written with twice as many.
DIGITS = 7


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


@dataclass(frozen=True, slots=True)
class PredictedChunk:
    """The predicted rows and the rejections of `records` consecutive records of the file."""

    records: int
    rows: list[Row]
    rejections: list[Rejection]


class Predictor:
    """A model version and the project's encoder, loaded once for any number of chunks."""

    def __init__(
        self,
        project: Project,
        version: ModelVersion,
        *,
        probabilities: bool = False,
        allow_files: bool = False,
        at: datetime.datetime | None = None,
    ) -> None:
        """Load the encoder and the version.

        `allow_files`: rows may name files beside the uploaded file. `at`: use the calibration of that moment. Raises
        `StepFailed` if the version or the encoder cannot be loaded, or if the version learned from another encoder;
        `FileDamaged` if the encoder's file is damaged.
        """
        self._kind = kinds.of(project)
        self._encoder: Encoder = load_encoder(project)
        self._model: Model = load_model(project, version, at=at)
        taught = self._model.manifest.get("encoder", {}).get("digest")
        if taught != self._encoder.digest:
            raise StepFailed(
                f"Model version {version.number} learned from the features of another encoder than the project has "
                "now. Ask a version that was trained later."
            )
        self.rules: Rules = rules_of(project, allow_files=allow_files, with_truth=False)
        self._indices = {name: index for index, name in enumerate(self.rules.classes)}
        self._probabilities = probabilities
        names: tuple[str, ...] = ("yes", "no") if self.rules.question.proposes else self.rules.classes
        self.shape = RowShape(project.asks, names if probabilities else ())

    def chunks(self, source: Source, *, skip: int = 0) -> Iterator[PredictedChunk]:
        """Yield the predictions for the file's records after the first `skip`, in order. Raises `UnreadableFile`."""
        most = self._kind.chunk
        if self._probabilities:
            most = max(1, min(most, MOST_PROBABILITIES // len(self.rules.classes)))
        for places, checked, _ in chunks(source, self.rules, skip=skip, most=lambda: most):
            drafts = [(place, draft) for place, draft in zip(places, checked, strict=True) if isinstance(draft, Draft)]
            rejections = [each for each in checked if isinstance(each, Rejection)]
            features, wrong = encode_good(
                self._encoder, [self._kind.raw(draft.data, _stored(draft)) for _, draft in drafts]
            )
            rejections += [Rejection(drafts[at][0], f"{reason}.", "") for at, reason in wrong.items()]
            good = [each for at, each in enumerate(drafts) if at not in wrong]
            yield PredictedChunk(len(places), self._rows(good, features) if good else [], rejections)

    def _rows(self, drafts: list[tuple[str, Draft]], features: np.ndarray) -> list[Row]:
        proposed = None
        if self.rules.question.proposes:
            proposed = np.array([self._indices[str(draft.proposed)] for _, draft in drafts], np.int64)
        extras = ["probabilities"] if self._probabilities else self.rules.question.predicts_from
        prediction = next(predictions_of(self._model, features, proposed=proposed, extras=extras, chunk=len(features)))
        return [self._row(where, draft, prediction, at) for at, (where, draft) in enumerate(drafts)]

    def _row(self, where: str, draft: Draft, prediction: Prediction, at: int) -> Row:
        row: Row = {"where": where, "external_id": draft.external_id}
        if self.rules.question.proposes:
            row["proposed"] = draft.proposed
        probabilities = None if prediction.probabilities is None else prediction.probabilities[at]
        value, confidence = self.rules.question.prediction(
            int(prediction.best[at]), float(prediction.confidence[at]), probabilities
        )
        row["label"] = self.rules.question.show(value, self.rules.classes)
        row["confidence"] = list(map(_number, confidence)) if isinstance(confidence, list) else _number(confidence)
        row["margin"] = _number(prediction.margins[at])
        if self._probabilities:
            assert probabilities is not None
            row["probabilities"] = self._by_name(probabilities)
        return row

    def _by_name(self, p: np.ndarray) -> dict[str, float]:
        if self.rules.question.proposes:
            return {"yes": _number(p), "no": _number(1 - p)}
        return dict(zip(self.rules.classes, map(_number, p), strict=True))


def _stored(draft: Draft) -> bytes | np.ndarray | None:
    """Return the bytes or vector that an import would store for the item."""
    return draft.vector if draft.file is None else draft.file


def _number(value: Any) -> float:
    return float(f"{value:.{DIGITS}g}")
