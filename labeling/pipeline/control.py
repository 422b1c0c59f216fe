"""What a version that was just trained is worth on the control slice: by itself, and beside the one in front of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from labeling.models import ModelVersion, Project
from labeling.pipeline.files import ProjectFiles
from models_store import artifact, metrics
from models_store.model import Model
from models_store.paired import compare
from models_store.prediction import predict, probabilities

if TYPE_CHECKING:
    from labeling.pipeline.training import LabeledRows


def is_right(project: Project, model: Model, features: np.ndarray, control: LabeledRows) -> np.ndarray:
    """(n,) bool: whether the model is right on each control item, for `multi` on all its classes.

    `features` are those of the pool (rows, …).
    """
    if not len(control.rows):
        return np.empty(0, bool)
    seen = features[control.rows]
    if project.question == Project.Question.MULTI:
        predicted = np.concatenate([p >= 0.5 for _, p in probabilities(model, seen)])
        return np.asarray((predicted == control.targets).all(axis=1))
    best = np.concatenate([part.best for part in predict(model, seen, proposed=control.proposed)])
    return np.asarray(best == control.targets)


def measure(right: np.ndarray) -> dict[str, Any]:
    """Accuracy on the control items labeled so far, with its 95 % interval; unbiased for the pool."""
    if not len(right):
        return {"n": 0}
    share = metrics.accuracy(np.ones_like(right), right)
    return {"accuracy": share.value, "low": share.low, "high": share.high, "n": share.n}


def gate(
    project: Project, earlier: ModelVersion | None, right: np.ndarray, features: np.ndarray, control: LabeledRows
) -> tuple[dict[str, Any], bool]:
    """Hold a new version, with what it is right on, against the one that the gate let through last.

    Both answer the same control items, now, and neither has learned from any. Returns what is to be told of it, and
    whether the new one is to be held back because it is worse beyond chance. Where nothing can be compared, nothing
    is held back: a version whose files are damaged could not pick a batch either.
    """
    if earlier is None:
        return {}, False
    try:
        model = artifact.load(ProjectFiles(project).root / earlier.artifact, digest=earlier.digest)
    except artifact.ArtifactError as error:
        return {"against": earlier.number, "n": 0, "gained": 0, "lost": 0, "reason": str(error)}, False
    compared = compare(right, is_right(project, model, features, control))
    told = {"against": earlier.number, "n": compared.n, "gained": compared.gained, "lost": compared.lost}
    return told, compared.worse
