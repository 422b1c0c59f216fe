"""The labels that picking has saved: the further labels that uniform labeling would need for the same accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import numpy as np
from django.db.models import Exists, Min, OuterRef, Q, Sum

from labeling.insight.control_slice import ControlFacts
from labeling.insight.share_intervals import Proportion
from labeling.models import Job, ModelVersion, Project, Task
from labeling.models.batches import IMPORTED
from labeling.models.items import ItemQuerySet
from labeling.projects.privacy import ledger
from labeling.projects.version_in_use import in_use
from labeling.storage.arrays import stored
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.arrays.stored import LEAST_CONTROL, MISSING, Baseline
from labeling.storage.shared_files import store
from models_store import metrics, payoff
from models_store.payoff import Band, Measured, OpenEstimate

MOST_VERSIONS = 24
"""The most versions that are read, the newest first."""


@dataclass(frozen=True, slots=True)
class PayoffFacts:
    """The cache key of a payoff: equal facts give equal payoffs."""

    project: Project
    """Compared by its key; the fields below hold the settings that matter."""
    versions: tuple[ModelVersion, ...]
    """The newest trained versions with stored predictions for the pool, in order."""
    written: tuple[str, ...]
    """The stamps of the versions' files, which change when a file is written again."""
    version: int
    """The number of the version in use; 0 for none."""
    first_picked: int | None
    """The number of the first batch that was not drawn at random."""
    next_batch: tuple[int, int]
    baseline: str | None
    """The stamp of the baseline's file."""
    failure: str | None
    """The reason of the failed step `baseline`, if there is no baseline."""
    control: ControlFacts
    pool: int
    private: bool


def stored_predictions(project: Project) -> dict[ModelVersion, str]:
    """Return the newest trained versions with stored predictions for the pool, in order, with their files' stamps."""
    files = ProjectFiles(project)
    newest = list(reversed(project.versions.trained().select_related("batch").order_by("-number")[:MOST_VERSIONS]))
    stamps = store().stamps([files.pool(version, "best") for version in newest])
    return {version: stamp for version, stamp in zip(newest, stamps, strict=True) if stamp is not None}


def facts_of_payoff(project: Project, versions: dict[ModelVersion, str], control: ControlFacts) -> PayoffFacts:
    """Read the facts of a payoff. `versions`: of `stored_predictions`. `control`: the facts of the control slice."""
    used, failed = in_use(project), None
    [baseline] = store().stamps([ProjectFiles(project).baseline])
    if baseline is None:
        failed = project.jobs.filter(kind=Job.Kind.BASELINE, state=Job.State.FAILED).order_by("-pk").first()
    return PayoffFacts(
        project=project,
        versions=tuple(versions),
        written=tuple(versions.values()),
        version=used.version.number if used else 0,
        first_picked=project.batches.picked().order_by("number").values_list("number", flat=True).first(),
        next_batch=_next_batch(project),
        baseline=baseline,
        failure=failed.reason if failed else None,
        control=control,
        pool=project.encoded_rows,
        private=ledger.is_private(project),
    )


def _next_batch(project: Project) -> tuple[int, int]:
    """Return the size of the active or next batch, and its items to learn from; (0, 0) if no item is left."""
    active = project.batches.active().filter(size__gt=0).order_by("-number").first()
    if active is not None:
        return active.size, active.size - active.control_tasks
    left = project.encoded_rows - project.batches.aggregate(n=Sum("size", default=0))["n"]
    size = min(left, project.batch_size)
    return size, size - round(size * project.control_share)


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
    """The labels that the newest version learned from, the control items labeled until then, and their sum."""

    learned: int
    control: int

    @property
    def labels(self) -> int:
        return self.learned + self.control


@dataclass(frozen=True, slots=True)
class Uniform:
    """The accuracy, measured on `n` items, of models that learned from `labels` labels drawn at random."""

    labels: int
    accuracy: Proportion
    low: Proportion
    high: Proportion
    n: int


@dataclass(frozen=True, slots=True)
class Saved:
    """The labels that uniform sampling would have needed for the same accuracy."""

    needed: Annotated[OpenEstimate, "Labels drawn at random for the accuracy of the version in use."]
    labels: Annotated[OpenEstimate, "`needed`, less the labels spent."]
    limit: Annotated[int, "Items of the pool: what needs more has no upper end."]
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
