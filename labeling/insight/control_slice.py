"""Measure a project's model versions on the control slice.

All versions are measured on the same items, the control items labeled so far, from which no version has learned: so
their figures can be compared. A version's predictions for the pool are stored when it picks a batch. For `multi` only
the best class is stored, which does not decide whether a set of classes is right.
"""

import datetime
import math
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy as np
from django.db.models import Count, Max, Subquery

from labeling.labels.counting import counted
from labeling.labels.label_counts import corrections_in
from labeling.models import ModelVersion, Project
from labeling.storage.arrays.files import ProjectFiles
from models_store import metrics
from models_store.paired import Compared, compare
from models_store.reliability import Bin, Calibration, calibration

__all__ = ["Bin", "Calibration", "ClassFigures", "Compared", "ControlSlice", "calibration"]


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """The numbers of control items of the class `index`: by label, by prediction, and by both."""

    index: int
    truth: int
    predicted: int
    correct: int


@dataclass(frozen=True, slots=True)
class ControlConfusion:
    """Labels and predictions of n > 0 control items. `classes` (k,): the class indices that occur, ascending; `truth`,
    `predicted` (n,): places in `classes`.
    """

    classes: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True, slots=True)
class VersionPair:
    """Two versions' predictions for the same control items, (n,) each: rows, labels, predicted classes, confidences."""

    rows: np.ndarray
    labels: np.ndarray
    said_a: np.ndarray
    sure_a: np.ndarray
    said_b: np.ndarray
    sure_b: np.ndarray


@dataclass(frozen=True, slots=True)
class ControlFacts:
    """The cache key of control labels: equal facts mean that no label was added or changed in between.

    labels: their number; last: the time of the newest label; corrected: the key of the newest correction; withdrawn:
    the time of the last withdrawal of a correction; excluded: the number of excluded labeled control items; done: the
    time at which the newest batch was done, when labels get their probabilities.
    """

    labels: int
    last: datetime.datetime | None
    corrected: int | None
    withdrawn: datetime.datetime | None
    excluded: int
    done: datetime.datetime | None


def control_facts(project: Project) -> ControlFacts:
    """Return the project's current facts. Takes one query over an index and the corrections."""
    corrections = corrections_in(project.batches.all())
    withdrawn = corrections.filter(withdrawn_at__isnull=False).order_by("-withdrawn_at").values("withdrawn_at")
    done = project.batches.filter(done_at__isnull=False).order_by("-done_at")
    facts = (
        project.items.control()
        .labeled()
        .aggregate(
            labels=Count("*"),  # for Count("pk"), PostgreSQL would read the rows beside the index
            last=Max("labeled_at"),
            corrected=Max(Subquery(corrections.order_by("-pk").values("pk")[:1])),
            withdrawn=Max(Subquery(withdrawn[:1])),
            excluded=Max(counted(project.items.excluded().control().labeled()), default=0),
            done=Max(Subquery(done.values("done_at")[:1])),
        )
    )
    return ControlFacts(**facts)


@lru_cache(maxsize=32)
def _labeled(project: Project, facts: ControlFacts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows (n,) int64, ascending, labels (n,) int64, and probabilities (n,) that these are wrong (NaN: unknown).

    Each process caches them: pages of a large project would read fifty thousand of them every few seconds.
    """
    labeled = list(project.items.measuring().values_list("row", "label", "label_probability"))
    # By row, since a version has predicted the first rows. Sorted here: SQLite would read all rows of the project.
    labeled.sort(key=itemgetter(0))
    rows, labels = np.array([each[:2] for each in labeled], np.int64).reshape(-1, 2).T
    doubts = np.array([math.nan if each[2] is None else 1 - each[2] for each in labeled])
    for array in (rows, labels, doubts):
        array.flags.writeable = False
    return rows, labels, doubts


class ControlSlice:
    """The labeled control items of a project: at most two queries, and one or two files of a version a measurement.

    facts : of these items; None if a model's best class is no answer to the question.
    doubts : (n,) the probabilities that their labels are wrong, NaN where nothing is known. By row, as `predicted`.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._files = ProjectFiles(project)
        self._rows = self._labels = np.zeros(0, np.int64)
        self.doubts = np.zeros(0)
        self.facts = None if project.asks.why_best_class_is_no_answer else control_facts(project)
        if self.facts is not None:
            self._rows, self._labels, self.doubts = _labeled(project, self.facts)

    @property
    def size(self) -> int:
        """The number of items; 0 if a model's best class is no answer to the question."""
        return len(self._rows)

    def measure(self, version: ModelVersion) -> dict[str, Any] | None:
        """Return the accuracy on the items that the version has predicted, with its 95 % interval; None without any."""
        best = self.predictions(version, "best")
        if best is None:
            return None
        share = metrics.accuracy(self._labels[: len(best)], best)
        return {"accuracy": share.value, "low": share.low, "high": share.high, "n": share.n}

    def by_class(self, version: ModelVersion) -> list[ClassFigures]:
        """Return the figures of each class that occurs, most frequent first; none if answers are not single classes."""
        best = self.predictions(version, "best")
        if best is None or self._project.asks.proposes:
            return []
        labels = self._labels[: len(best)]
        counts = metrics.per_class(labels, best, int(max(labels.max(initial=0), best.max(initial=0))) + 1)
        occurs = np.flatnonzero(counts.truth + counts.predicted)
        order = occurs[np.argsort(-counts.truth[occurs], kind="stable")]
        return [
            ClassFigures(int(c), int(counts.truth[c]), int(counts.predicted[c]), int(counts.correct[c])) for c in order
        ]

    def confusion(self, version: ModelVersion) -> ControlConfusion | None:
        """Return the confusion of labels and predictions; None without predictions. Classes of `verify`: 0 and 1."""
        best = self.predictions(version, "best")
        if best is None or not len(best):
            return None
        labels, answers = self._labels[: len(best)], np.arange(len(self._project.asks.answers))
        classes, places = np.unique(np.concatenate([labels, best, answers]), return_inverse=True)
        return ControlConfusion(classes, places[: len(best)], places[len(best) : 2 * len(best)])

    def calibration(self, version: ModelVersion) -> Calibration | None:
        """Return the calibration on the items that the version has predicted; None without stored predictions."""
        predicted = self.predicted(version)
        if predicted is None:
            return None
        labels, best, sure = predicted
        return calibration(np.clip(sure, 0, 1), best == labels)

    def predicted(self, version: ModelVersion) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Return labels, predicted classes and confidences (n,) of the items that the version has predicted, if any."""
        best, sure = self.predictions(version, "best"), self.predictions(version, "confidence")
        return None if best is None or sure is None else (self._labels[: len(best)], best, sure)

    def compare(self, later: ModelVersion, earlier: ModelVersion) -> Compared | None:
        """Compare two versions item by item; None if the predictions of one version are not stored."""
        new, old = self.predictions(later, "best"), self.predictions(earlier, "best")
        if new is None or old is None:
            return None
        n = min(len(new), len(old))
        return compare(new[:n] == self._labels[:n], old[:n] == self._labels[:n])

    def pair(self, earlier: ModelVersion, later: ModelVersion) -> VersionPair | None:
        """Return both versions' predictions for the items that both have predicted; None if one has none stored."""
        a, b = self.predicted(earlier), self.predicted(later)
        if a is None or b is None:
            return None
        predictions = (*a[1:], *b[1:])
        n = min(map(len, predictions))
        return VersionPair(self._rows[:n], self._labels[:n], *(each[:n] for each in predictions))

    def predictions(self, version: ModelVersion, name: str) -> np.ndarray | None:
        """Return the version's `best` or `confidence` for the first control items, as far as it has predicted them."""
        return self._files.predictions(version, name, self._rows) if len(self._rows) else None
