"""Correct the probabilities of a model's labels by people's answers about items that versions had predicted before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labeling.arrays.files import ProjectFiles
from labeling.certifying.errors import is_wrong, wrong_classes
from labeling.certifying.experience import correct
from labeling.insight.control_slice import ControlSlice
from labeling.models import Batch, ModelVersion, Project
from labeling.questions import Stored

BATCHES = 3
"""The newest batches whose answers count: earlier versions tell less of the newest one."""
TASKS = 2000
"""The most tasks of each that are read."""


@dataclass
class Tested:
    """A model's answers about items that people have labeled, and from which it had not learned.

    sure, right : the probability of each answer, and whether people gave it, too.
    wrong_about : how many of the wrong ones are wrong about each class, where each class is a decision of its own.
    """

    sure: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    wrong_about: Counter[int] = field(default_factory=Counter)

    def add(self, project: Project, answers: Iterable[tuple[Stored, float, Stored]], *, within: int) -> None:
        """Add answers: each with its probability, and people's label of the item."""
        for value, sure, label in answers:
            predicted, known = project.follow(value), project.follow(label)
            self.sure.append(sure)
            self.right.append(not is_wrong(project.asks, predicted, known, within=within))
            if project.asks.per_class:
                self.wrong_about.update(wrong_classes(project.asks, predicted, known))

    @property
    def share(self) -> float:
        """The share of the wrong answers that are wrong about the class that is wrong most often, no less than seen."""
        most = max(self.wrong_about.values(), default=0)
        return (most + 1) / (self.right.count(False) + 1)

    def corrected(self, probabilities: np.ndarray, *, each_class: bool, label_error: float = 0.0) -> np.ndarray:
        """Return the corrected probabilities (n,) of a version's labels, in their order.

        each_class : that a label is right about the class that is wrong most often, and not as a whole.
        """
        whole = correct(probabilities, np.array(self.sure), np.array(self.right, bool), label_error=label_error)
        return 1 - self.share * (1 - whole) if each_class else whole


def control_tested(project: Project, version: ModelVersion, *, within: int) -> Tested:
    """Return the version's answers about the control items that it has predicted. Takes one or two queries."""
    tested = Tested()
    if project.asks.best_is_no_answer:
        items = project.items.measuring()
        tested.add(project, _predicted(project, version, items.values_list("row", "label")), within=within)
        return tested
    known = ControlSlice(project).predicted(version)
    if known is not None:
        labels, predicted, confidences = known
        tested.sure = confidences.tolist()
        tested.right = (np.abs(labels - predicted) <= within).tolist()
    return tested


def corrected(
    project: Project,
    version: ModelVersion,
    probabilities: np.ndarray,
    *,
    within: int,
    label_error: float,
    each_class: bool = False,
) -> np.ndarray:
    """Return the probabilities (n,) of the version's labels, in their order, corrected by the control slice and by the
    answers to the newest batches.

    Only answers of people who saw no prediction count, to items from which the version that picked them had not
    learned. `within`: the points by which a right score may differ. `label_error`: the share of people's labels that
    are wrong. `each_class`: as in `Tested.corrected`. Reads at most `BATCHES` × `TASKS` tasks.
    """
    tested = control_tested(project, version, within=within)
    picked = project.batches.exclude(selected_by=None).filter(done_at__isnull=False).order_by("-number")
    for batch in picked.select_related("selected_by")[:BATCHES]:
        tested.add(project, _answered(project, batch), within=within)
    return tested.corrected(probabilities, each_class=each_class, label_error=label_error)


def _answered(project: Project, batch: Batch) -> Iterable[tuple[Stored, float, Stored]]:
    """Return the whole predictions of a batch's tasks, with their probabilities and people's labels."""
    answered = {"is_control": False, "prompted": False, "predicted__isnull": False, "item__label__isnull": False}
    tasks: Any = batch.tasks.filter(**answered).order_by("rank")
    if project.asks.best_is_no_answer:
        assert batch.selected_by is not None
        return _predicted(project, batch.selected_by, tasks.values_list("item__row", "item__label")[:TASKS])
    rows = tasks.values_list("predicted", "confidence", "item__label")[:TASKS]
    return ((project.asks.as_answer(index), confidence, label) for index, confidence, label in rows)


def _predicted(
    project: Project, version: ModelVersion, labeled: Iterable[Any]
) -> Iterable[tuple[Stored, float, Stored]]:
    """Return the version's stored whole answers for `labeled`, pairs of a row and a label, as far as it has predicted
    the rows; none if its answers are not stored.
    """
    by_row = dict(sorted(labeled))
    values, sure = (
        ProjectFiles(project).predictions(version, name, np.array(list(by_row), np.int64))
        for name in project.asks.answer_arrays
    )
    if values is None or sure is None:
        return []
    wholes = map(project.asks.whole, values.tolist())
    return zip(wholes, sure.tolist(), by_row.values(), strict=False)
