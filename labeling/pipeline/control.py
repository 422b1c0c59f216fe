"""What a version that was just trained is worth on the control slice: by itself, and beside the one in front of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labeling.models import ModelVersion, Project
from labeling.pipeline.files import ProjectFiles
from models_store import artifact, metrics
from models_store.model import Model
from models_store.paired import compare
from models_store.prediction import predict, probabilities
from models_store.reliability import calibration

if TYPE_CHECKING:
    from labeling.pipeline.training import LabeledRows


@dataclass(frozen=True, slots=True)
class Answers:
    """A model's answers to `n` control items: whether each is right, (n,) bool, for `multi` in all its classes; and how
    sure it was of each, (n,) floats, None for `multi`, which knows no single answer.
    """

    right: np.ndarray
    sure: np.ndarray | None


def ask(project: Project, model: Model, features: np.ndarray, control: LabeledRows) -> Answers:
    """Have the model answer the control items, by the pool's `features` (rows, …)."""
    if not len(control.rows):
        return Answers(np.empty(0, bool), None)
    seen = features[control.rows]
    if project.question == Project.Question.MULTI:
        predicted = np.concatenate([p >= 0.5 for _, p in probabilities(model, seen)])
        return Answers((predicted == control.targets).all(axis=1), None)
    parts = list(predict(model, seen, proposed=control.proposed))
    best, sure = (np.concatenate([getattr(part, name) for part in parts]) for name in ("best", "confidence"))
    return Answers(best == control.targets, sure)


def measure(answers: Answers) -> dict[str, Any]:
    """Accuracy on the control items labeled so far, with its 95 % interval; unbiased for the pool."""
    if not len(answers.right):
        return {"n": 0}
    share = metrics.accuracy(np.ones_like(answers.right), answers.right)
    return {"accuracy": share.value, "low": share.low, "high": share.high, "n": share.n}


def calibrate(answers: Answers) -> dict[str, Any] | None:
    """How far it is right as often as it says, on the same items; None where there is nothing to say it of."""
    found = None if answers.sure is None else calibration(np.clip(answers.sure, 0, 1), answers.right)
    if found is None:
        return None
    return {name: value for name, value in asdict(found).items() if name != "bins"}


def gate(
    project: Project, earlier: ModelVersion | None, answers: Answers, features: np.ndarray, control: LabeledRows
) -> tuple[dict[str, Any], bool]:
    """Hold a new version, by its answers, against the one that the gate let through last.

    Both answer the same control items, now, and neither has learned from any. Returns what is to be told of it, and
    whether the new one is to be held back because it is worse beyond chance. Where nothing can be compared, nothing
    is held back: a version whose files are damaged could not pick a batch either.
    """
    if earlier is None:
        return {}, False
    try:
        model = artifact.load(ProjectFiles(project).artifact_at(earlier.artifact), digest=earlier.digest)
    except artifact.ArtifactError as error:
        return {"against": earlier.number, "n": 0, "gained": 0, "lost": 0, "reason": str(error)}, False
    compared = compare(answers.right, ask(project, model, features, control).right)
    told = {"against": earlier.number, "n": compared.n, "gained": compared.gained, "lost": compared.lost}
    return told, compared.worse
