"""Measure a new version on the control slice, by itself and against the last version that passed the gate."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from labeling.models import ModelVersion, Project
from labeling.steps.model_inputs import LabeledRows, VersionDamaged, scorer_of
from labeling.storage.arrays.features import Features
from labeling.storage.arrays.files import ProjectFiles
from models_store import artifact, metrics
from models_store.model import Model
from models_store.paired import compare
from models_store.prediction import predict, probabilities
from models_store.reliability import calibration


@dataclass(frozen=True, slots=True)
class ControlResults:
    """A model's answers to n control items.

    right: (n,) bool, whether the answer equals the label (for several targets, whether all do). sure: (n,) float, the
    model's confidence, None if its best class is no answer. costs: (n,) float, minus the logarithm of the label's
    probability, in nats. distances: (n,) int, points between answer and label, None if the classes are no scale.
    """

    right: np.ndarray
    sure: np.ndarray | None
    costs: np.ndarray
    distances: np.ndarray | None = None


def control_results(
    project: Project, model: Model, features: Features | np.ndarray, control: LabeledRows
) -> ControlResults:
    """Predict the control items with the model, from the pool's `features` (rows, …)."""
    if not len(control.rows):
        return ControlResults(np.empty(0, bool), None, np.empty(0))
    seen = features[control.rows]
    right, costs = _held_against(project, model, seen, control)
    if project.asks.why_best_class_is_no_answer:
        return ControlResults(right, None, costs)
    parts = list(predict(model, seen, proposed=control.proposed, merged=project.merges))
    best, sure = (np.concatenate([getattr(part, name) for part in parts]) for name in ("best", "confidence"))
    distances = project.asks.distances(best, np.asarray(control.targets))
    return ControlResults(best == control.targets, sure, costs, distances if project.asks.ordered else None)


def given_results(project: Project, version: ModelVersion, control: LabeledRows) -> ControlResults:
    """Return the answers of predictions from outside to the first control items: those that they cover."""
    model, inputs = scorer_of(project, version)
    n = int(np.searchsorted(control.rows, len(inputs))) if version.answers else 0
    proposed = None if control.proposed is None else control.proposed[:n]
    covered = replace(control, rows=control.rows[:n], targets=control.targets[:n], proposed=proposed)
    return control_results(project, model, inputs, covered)


def _held_against(
    project: Project, model: Model, seen: np.ndarray, control: LabeledRows
) -> tuple[np.ndarray, np.ndarray]:
    """Return whether all predictions for an item are right, (n,) bool, and their cost in nats, (n,) float."""
    right, costs, n_classes = [], [], project.classes.count()
    for start, p in probabilities(model, seen, proposed=control.proposed, merged=project.merges):
        targets = control.targets[start : start + len(p)]
        if p.ndim == 2 and p.shape[1] < n_classes:  # classes added after the training have probability 0
            p = np.pad(p, ((0, 0), (0, n_classes - p.shape[1])))
        right.append(model.asks.are_right(p, targets))
        costs.append(model.asks.costs(p, targets))
    return np.concatenate(right), np.concatenate(costs)


def control_figures(answers: ControlResults) -> dict[str, Any]:
    """Return accuracy, negative log-likelihood and, for scales, mean absolute error on the control items labeled so
    far, each with a 95 % interval; unbiased for the pool.
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


def calibration_figures(answers: ControlResults) -> dict[str, Any] | None:
    """Return the calibration of the model's confidence on these items; None without confidences or items."""
    measured = None if answers.sure is None else calibration(np.clip(answers.sure, 0, 1), answers.right)
    if measured is None:
        return None
    return {name: value for name, value in asdict(measured).items() if name != "bins"}


def gate(
    project: Project, since: int, answers: ControlResults, features: Features, control: LabeledRows
) -> tuple[dict[str, Any], bool]:
    """Compare a new version, by its answers, with the last version that passed the gate, from the number `since` on.

    Both versions predict the same control items, and neither has learned from them. Returns the figures for the
    version's row, and whether to hold the new version back because it is significantly worse. If there is no earlier
    version, or if its artifact is damaged, the new version passes: a damaged version could not pick a batch either.
    """
    earlier = project.versions.filter(number__gte=since).readable().passed().newest()
    if earlier is None:
        return {}, False
    try:
        if earlier.is_given:
            right = given_results(project, earlier, control).right
        else:
            model = artifact.load(
                ProjectFiles(project).artifact_at(earlier.artifact), digest=earlier.digest, calibration=""
            )
            right = control_results(project, model, features, control).right
    except (artifact.ArtifactError, VersionDamaged) as error:
        return {"against": earlier.number, "n": 0, "gained": 0, "lost": 0, "reason": str(error)}, False
    n = min(len(answers.right), len(right))  # predictions from outside cover the first rows, and margins none
    compared = compare(answers.right[:n], right[:n])
    figures = {"against": earlier.number, "n": compared.n, "gained": compared.gained, "lost": compared.lost}
    return figures, compared.worse
