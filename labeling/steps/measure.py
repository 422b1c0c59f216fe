"""What a version that was just trained is worth on the control slice: by itself, and beside the one in front of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from labeling.arrays.files import Features, ProjectFiles
from labeling.models import ModelVersion, Project
from labeling.steps.reading import LabeledRows
from models_store import artifact, metrics
from models_store.class_sets import ClassSets
from models_store.model import Model
from models_store.paired import compare
from models_store.prediction import predict, probabilities
from models_store.reliability import calibration

LEAST_PROBABLE = 1e-7
"""What a probability of nothing counts as: about what float32 leaves beside one."""


@dataclass(frozen=True, slots=True)
class Answers:
    """A model's answers to `n` control items: whether each is right, (n,) bool, of several targets all of them; and how
    sure the model was of each, (n,) floats, None where its best class is no answer. `costs` (n,) are minus the
    logarithms of the probabilities of the targets. `distances` (n,) are the points between answer and label, None where
    classes are no scale.
    """

    right: np.ndarray
    sure: np.ndarray | None
    costs: np.ndarray
    distances: np.ndarray | None = None


def ask(project: Project, model: Model, features: Features, control: LabeledRows) -> Answers:
    """Have the model answer the control items, by the pool's `features` (rows, …)."""
    if not len(control.rows):
        return Answers(np.empty(0, bool), None, np.empty(0))
    seen = features[control.rows]
    right, costs = _held_against(project, model, seen, control)
    if project.asks.best_is_no_answer:
        return Answers(right, None, costs)
    parts = list(predict(model, seen, proposed=control.proposed, merged=project.merges))
    best, sure = (np.concatenate([getattr(part, name) for part in parts]) for name in ("best", "confidence"))
    distances = np.abs(best - control.targets) if project.asks.ordered else None
    return Answers(best == control.targets, sure, costs, distances)


def _held_against(
    project: Project, model: Model, seen: np.ndarray, control: LabeledRows
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) whether all that is predicted for an item is right, and (n,) what it costs in nats, chunk by chunk."""
    right, costs, n_classes = [], [], project.classes.count()
    for start, p in probabilities(model, seen, proposed=control.proposed, merged=project.merges):
        part = slice(start, start + len(p))
        sets = control.targets
        targets = sets.dense(part) if isinstance(sets, ClassSets) else sets[part]
        if p.ndim == 2 and p.shape[1] < n_classes:  # classes that came after the model, which it gives nothing
            p = np.pad(p, ((0, 0), (0, n_classes - p.shape[1])))
        if model.asks.softmax:
            of_truth = p[np.arange(len(p)), targets][:, None]
            right.append(p.argmax(axis=1) == targets)
        else:
            of_truth = np.where(targets, p, 1 - p).reshape(len(p), -1)
            right.append(((p >= 0.5) == targets).reshape(len(p), -1).all(axis=1))
        costs.append(-np.log(np.maximum(of_truth.astype(np.float64), LEAST_PROBABLE)).sum(axis=1))
    return np.concatenate(right), np.concatenate(costs)


def measure(answers: Answers) -> dict[str, Any]:
    """Accuracy, negative log-likelihood and, of scores, mean absolute error on the control items labeled so far, with
    95 % intervals; unbiased for the pool.
    """
    if not len(answers.right):
        return {"n": 0}
    share = metrics.accuracy(np.ones_like(answers.right), answers.right)
    figures = {
        "accuracy": share.value,
        "low": share.low,
        "high": share.high,
        "n": share.n,
        "nll": _mean(answers.costs),
    }
    if answers.distances is not None:
        figures["mae"] = _mean(answers.distances)
    return figures


def _mean(values: np.ndarray) -> dict[str, float | None]:
    mean = metrics.mean(values)
    return {"value": mean.value, "low": mean.low, "high": mean.high}


def calibrate(answers: Answers) -> dict[str, Any] | None:
    """How far it is right as often as it says, on the same items; None where there is nothing to say it of."""
    measured = None if answers.sure is None else calibration(np.clip(answers.sure, 0, 1), answers.right)
    if measured is None:
        return None
    return {name: value for name, value in asdict(measured).items() if name != "bins"}


def gate(
    project: Project, earlier: ModelVersion | None, answers: Answers, features: Features, control: LabeledRows
) -> tuple[dict[str, Any], bool]:
    """Hold a new version, by its answers, against the one that the gate let through last.

    Both answer the same control items, now, and neither has learned from any. Returns what is to be told of it, and
    whether the new one is to be held back because it is worse beyond chance. Where nothing can be compared, nothing
    is held back: a version whose files are damaged could not pick a batch either.
    """
    if earlier is None:
        return {}, False
    try:
        model = artifact.load(
            ProjectFiles(project).artifact_at(earlier.artifact), digest=earlier.digest, calibration=""
        )
    except artifact.ArtifactError as error:
        return {"against": earlier.number, "n": 0, "gained": 0, "lost": 0, "reason": str(error)}, False
    compared = compare(answers.right, ask(project, model, features, control).right)
    figures = {"against": earlier.number, "n": compared.n, "gained": compared.gained, "lost": compared.lost}
    return figures, compared.worse
