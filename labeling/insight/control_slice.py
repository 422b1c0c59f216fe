"""What the control slice says of a project's model versions.

All versions are measured on the same items, all that are labeled by now, and none has learned from any of them: only so
can they be compared. A version has said what it takes each item of the pool to be once it has picked a batch; before
that nothing is stored. For `multi` only the best class is, which does not settle whether a set of classes is right.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy as np
from django.db.models import Count, Max, Subquery

from labeling.answering.counting import counted
from labeling.answering.label_counts import corrections_in
from labeling.arrays.files import ProjectFiles
from labeling.models import ModelVersion, Project
from models_store import metrics
from models_store.paired import Compared, compare
from models_store.reliability import Bin, Calibration, calibration

__all__ = ["Bin", "Calibration", "ClassFigures", "Compared", "ControlSlice", "calibration"]


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """A class among the control items: how many are of it, were taken to be of it, and both."""

    index: int
    truth: int
    predicted: int
    correct: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """Labels against predictions of n > 0 control items. `classes` (k,): those that occur, ascending. `truth` and
    `predicted`, (n,) each: places in it.
    """

    classes: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True, slots=True)
class Pair:
    """Predictions of two versions for the same control items, (n,) each: pool rows, labels, answers, confidences."""

    rows: np.ndarray
    labels: np.ndarray
    said_a: np.ndarray
    sure_a: np.ndarray
    said_b: np.ndarray
    sure_b: np.ndarray


@dataclass(frozen=True, slots=True)
class ControlFacts:
    """What tells that no control item was labeled, or labeled otherwise, since: how many labels there are, when the
    last one came, the newest correction, when one was last withdrawn, and how many were excluded.
    """

    labels: int
    last: datetime.datetime | None
    corrected: int | None
    withdrawn: datetime.datetime | None
    excluded: int


def control_facts(project: Project) -> ControlFacts:
    """The facts now. One query over an index and the corrections."""
    corrections = corrections_in(project.batches.all())
    withdrawn = corrections.filter(withdrawn_at__isnull=False).order_by("-withdrawn_at").values("withdrawn_at")
    facts = (
        project.items.control()
        .labeled()
        .aggregate(
            labels=Count("*"),  # not of keys: PostgreSQL would look all of them up beside the index
            last=Max("labeled_at"),
            corrected=Max(Subquery(corrections.order_by("-pk").values("pk")[:1])),
            withdrawn=Max(Subquery(withdrawn[:1])),
            excluded=Max(counted(project.items.excluded().control().labeled()), default=0),
        )
    )
    return ControlFacts(**facts)


@lru_cache(maxsize=32)
def _labeled(project: Project, facts: ControlFacts) -> tuple[np.ndarray, np.ndarray]:
    """The labeled control items' rows (n,), ascending, and labels (n,). Kept by each process: pages of a large project
    would read fifty thousand of them, every few seconds.
    """
    labeled = list(project.items.measuring().values_list("row", "label"))
    # By row: what a version has seen is what lies in front. Asked to sort, SQLite would walk through all rows.
    labeled.sort(key=itemgetter(0))
    rows, labels = np.array(labeled, np.int64).reshape(-1, 2).T
    rows.flags.writeable = labels.flags.writeable = False
    return rows, labels


class ControlSlice:
    """The labeled control items of a project. Two queries at most, when it is made; then files, one a version and
    question.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._files = ProjectFiles(project)
        self._rows = self._labels = np.zeros(0, np.int64)
        if not project.asks.best_is_no_answer:
            self._rows, self._labels = _labeled(project, control_facts(project))

    @property
    def size(self) -> int:
        """The number of items; 0 where a model's best class is no answer."""
        return len(self._rows)

    def measure(self, version: ModelVersion) -> dict[str, Any] | None:
        """Accuracy with its 95 % interval, on the items that the version has seen; None without stored predictions."""
        best = self._predictions(version, "best")
        if best is None:
            return None
        share = metrics.accuracy(self._labels[: len(best)], best)
        return {"accuracy": share.value, "low": share.low, "high": share.high, "n": share.n}

    def by_class(self, version: ModelVersion) -> list[ClassFigures]:
        """Each class that occurs, most frequent first; empty where answers are not single classes."""
        best = self._predictions(version, "best")
        if best is None or self._project.asks.proposes:
            return []
        labels = self._labels[: len(best)]
        counts = metrics.per_class(labels, best, int(max(labels.max(initial=0), best.max(initial=0))) + 1)
        occurs = np.flatnonzero(counts.truth + counts.predicted)
        order = occurs[np.argsort(-counts.truth[occurs], kind="stable")]
        return [
            ClassFigures(int(c), int(counts.truth[c]), int(counts.predicted[c]), int(counts.correct[c])) for c in order
        ]

    def confusion(self, version: ModelVersion) -> Confusion | None:
        """Labels against predictions; None without stored predictions. For `verify` the classes are 0 and 1."""
        best = self._predictions(version, "best")
        if best is None or not len(best):
            return None
        labels, answers = self._labels[: len(best)], np.arange(len(self._project.asks.answers))
        classes, places = np.unique(np.concatenate([labels, best, answers]), return_inverse=True)
        return Confusion(classes, places[: len(best)], places[len(best) : 2 * len(best)])

    def calibration(self, version: ModelVersion) -> Calibration | None:
        """Whether it is right as often as it says, on the items that it has seen; None without stored predictions."""
        best, sure = self._predictions(version, "best"), self._predictions(version, "confidence")
        if best is None or sure is None:
            return None
        return calibration(np.clip(sure, 0, 1), best == self._labels[: len(best)])

    def compare(self, later: ModelVersion, earlier: ModelVersion) -> Compared | None:
        """Item by item; None if the predictions of one of the two are not stored."""
        new, old = self._predictions(later, "best"), self._predictions(earlier, "best")
        if new is None or old is None:
            return None
        n = min(len(new), len(old))
        return compare(new[:n] == self._labels[:n], old[:n] == self._labels[:n])

    def pair(self, earlier: ModelVersion, later: ModelVersion) -> Pair | None:
        """The predictions of both for the items that both have seen; None if the predictions of one are not stored."""
        predictions = [
            self._predictions(version, name) for version in (earlier, later) for name in ("best", "confidence")
        ]
        if any(each is None for each in predictions):
            return None
        n = min(len(each) for each in predictions if each is not None)
        return Pair(self._rows[:n], self._labels[:n], *(each[:n] for each in predictions if each is not None))

    def _predictions(self, version: ModelVersion, name: str) -> np.ndarray | None:
        """The version's predictions for the control items that it has seen, which are the first ones."""
        return self._files.predictions(version, name, self._rows) if len(self._rows) else None
