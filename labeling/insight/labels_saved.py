"""The labels that picking has saved: the further labels that uniform labeling would need for the same accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from django.db.models import Exists, Min, OuterRef, Q

from labeling.insight.payoff_facts import PayoffFacts
from labeling.models import ModelVersion, Project, Task
from labeling.models.batches import IMPORTED
from labeling.models.items import ItemQuerySet
from labeling.storage.arrays import stored
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.arrays.stored import LEAST_CONTROL, MISSING, Baseline
from models_store import metrics, payoff
from models_store.payoff import Band, Measured, OpenEstimate


class NoFigure(StrEnum):
    """Why there is no figure of the labels saved."""

    QUESTION = "question"
    PRIVATE = "private"
    NO_CONTROL = "no-control"
    NOTHING_PICKED = "nothing-picked"
    FEW_CONTROL = "few-control"
    NOT_YET = "not-yet"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LabelsSpent:
    """The labels that the newest version learned from, and the control items labeled up to its batch."""

    learned: int
    control: int

    @property
    def labels(self) -> int:
        return self.learned + self.control


@dataclass(frozen=True, slots=True)
class Uniform:
    """Models that learned from `labels` uniform labels: their accuracy on `n` items with its 95 % interval."""

    labels: int
    accuracy: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Saved:
    """The labels that uniform labeling would need for the accuracy of the version in use, and the labels saved.

    The end of an interval is None if it is more than `limit`, the size of the pool.
    """

    needed: OpenEstimate
    labels: OpenEstimate
    limit: int
    points: list[Uniform]
    curve: Band


@dataclass(frozen=True, slots=True)
class RowLabels:
    """Labeled items: rows (n,), ascending, and labels (n,)."""

    rows: np.ndarray
    labels: np.ndarray


def row_labels(items: ItemQuerySet) -> RowLabels:
    labeled = sorted(items.labeled().filter(row__isnull=False).values_list("row", "label"))
    rows, labels = np.array(labeled, np.int64).reshape(-1, 2).T
    return RowLabels(rows, labels)


def labels_saved(
    facts: PayoffFacts,
    versions: Sequence[ModelVersion],
    used: int,
    measured: Measured,
    control: RowLabels,
    spent: LabelsSpent,
) -> tuple[Saved | None, NoFigure | None, str]:
    """Return the labels that picking has saved; or None, the cause, and the reason of a failed baseline."""
    project, first_picked = facts.project, facts.first_picked
    if first_picked is None or versions[used].last_batch < first_picked:
        return None, NoFigure.NOTHING_PICKED, ""
    if len(control.rows) < LEAST_CONTROL:
        return None, NoFigure.FEW_CONTROL, ""
    if facts.private:
        return None, NoFigure.PRIVATE, ""
    baseline = stored.load(ProjectFiles(project).baseline, Baseline)
    if baseline is None:
        return None, NoFigure.NOT_YET if facts.failure is None else NoFigure.FAILED, facts.failure or ""
    first = row_labels(project.items.of_batches_before(first_picked).drawn().filter(reserved=False))
    rows = np.concatenate([control.rows, first.rows])
    labels = np.concatenate([control.labels, first.labels])
    first_chosen = _first_chosen(project, first_picked)
    by_chance = [place for place, version in enumerate(versions) if _is_uniform(version, first_chosen)]
    versions_on_all = _padded(measured, len(first.rows))
    uniform = _thrown_away(baseline, rows, labels).joined(versions_on_all.rows(by_chance))
    limit = max(facts.pool, spent.labels)
    needs = payoff.uniform_needs(uniform, versions_on_all.rows([used]), limit=limit)
    points = sorted((_point(uniform, place) for place in range(len(uniform.labels))), key=lambda each: each.labels)
    return Saved(needs.needed, _subtract_spent(needs.needed, spent.labels), limit, points, needs.curve), None, ""


def _first_chosen(project: Project, first_picked: int) -> int:
    """Return the number of the first batch with items to learn from that chance did not draw."""
    asked = Exists(Task.objects.filter(batch=OuterRef("pk"), asked=True))
    chosen = project.batches.filter(Q(strategy=IMPORTED) | asked, number__lt=first_picked)
    return chosen.aggregate(number=Min("number"))["number"] or first_picked


def _is_uniform(version: ModelVersion, first_chosen: int) -> bool:
    """Return whether the version is a point of the uniform curve: it learned random labels, and no unlabeled items."""
    return version.last_batch < first_chosen and "pool" not in version.metrics.get("training", {})


def _padded(measured: Measured, more: int) -> Measured:
    """Return the measurements with `more` further items that no version was measured on."""
    pad = ((0, 0), (0, more))
    return Measured(measured.labels, np.pad(measured.wrong, pad), np.pad(measured.seen, pad), measured.models)


def _thrown_away(baseline: Baseline, rows: np.ndarray, labels: np.ndarray) -> Measured:
    """Return the errors of the baseline's models on the items, in any order, by their current labels."""
    place = np.minimum(np.searchsorted(baseline.rows, rows), len(baseline.rows) - 1)
    answers = np.where(baseline.rows[place] == rows, baseline.said[:, place], MISSING)
    models = np.full(len(baseline.labels), baseline.folds)
    measured = Measured(baseline.labels, answers != labels, answers != MISSING, models)
    return measured.rows(np.flatnonzero(measured.seen.any(axis=1)))


def _point(uniform: Measured, place: int) -> Uniform:
    seen = uniform.seen[place]
    n, right = int(seen.sum()), int((seen & ~uniform.wrong[place]).sum())
    low, high = metrics.wilson(right, n)
    return Uniform(int(uniform.labels[place]), right / max(n, 1), low, high, n)


def _subtract_spent(needed: OpenEstimate, spent: int) -> OpenEstimate:
    """Return the labels needed less those that the project has spent."""
    return OpenEstimate(
        value=None if needed.value is None else needed.value - spent,
        low=needed.low - spent,
        high=None if needed.high is None else needed.high - spent,
    )
