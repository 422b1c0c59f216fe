"""Predict the items of a file with the project's encoder and a model version, chunk by chunk."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from labeling import kinds
from labeling.intake.checking import chunks
from labeling.intake.drafts import Draft, Rejection
from labeling.intake.readers import Source
from labeling.intake.rules import Rules
from labeling.intake.run import rules_of
from labeling.loop.step import StepFailed
from labeling.models import ModelVersion, Project
from labeling.outgoing.formats import Row
from labeling.outgoing.predictions import RowShape
from labeling.steps.features import encode_good, load_encoder
from labeling.steps.model_inputs import load_model
from models_store.encoders import Encoder
from models_store.model import Model
from models_store.prediction import Prediction, predict

# The most probabilities in memory at once, as Python floats.
MOST_PROBABILITIES = 1_000_000
# The digits of a float32; as a Python float it would be written with twice as many.
DIGITS = 7


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
        prediction = next(predict(self._model, features, proposed=proposed, extras=extras, chunk=len(features)))
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
