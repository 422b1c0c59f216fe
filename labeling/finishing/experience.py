"""Correct the probabilities of a model's labels by people's answers about items that versions had predicted before."""

from __future__ import annotations

from typing import Any

import numpy as np

from labeling.certifying.errors import is_wrong
from labeling.certifying.experience import correct
from labeling.insight.control_slice import ControlSlice
from labeling.models import ModelVersion, Project

BATCHES = 3
"""The newest batches whose answers count: earlier versions tell less of the newest one."""
TASKS = 2000
"""The most tasks of each that are read."""


def corrected(
    project: Project, version: ModelVersion, probabilities: np.ndarray, *, within: int, label_error: float
) -> np.ndarray:
    """Return the probabilities (n,) of the version's labels, in their order, corrected by the control slice and by the
    answers to the newest batches.

    Only answers of people who saw no prediction count, to items from which the version that picked them had not
    learned. `within`: the points by which a right score may differ. `label_error`: the share of people's labels that
    are wrong. Reads at most `BATCHES` × `TASKS` tasks.
    """
    known = ControlSlice(project).predicted(version)
    sure, right = [], []
    if known is not None:
        labels, predicted, confidences = known
        sure, right = confidences.tolist(), (np.abs(labels - predicted) <= within).tolist()
    picked = project.batches.exclude(selected_by=None).filter(done_at__isnull=False).order_by("-number")[:BATCHES]
    answered = {"is_control": False, "prompted": False, "predicted__isnull": False, "item__label__isnull": False}
    for batch in picked:
        tasks: Any = batch.tasks.filter(**answered).order_by("rank")
        for index, confidence, label in tasks.values_list("predicted", "confidence", "item__label")[:TASKS]:
            value = project.follow(project.asks.as_answer(index))
            sure.append(confidence)
            right.append(not is_wrong(project.asks, value, project.follow(label), within=within))
    return correct(probabilities, np.array(sure), np.array(right, bool), label_error=label_error)
