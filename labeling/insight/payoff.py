"""Whether picking pays off, by what the control slice says. Files and a few queries; no network.

Labels of a version are those that it learned from. Labels spent are these and the control items labeled by then:
uniform labeling is granted that it need not measure itself.
"""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import numpy as np

from labeling.arrays import stored
from labeling.arrays.baseline import LEAST_CONTROL, MISSING, Baseline
from labeling.arrays.files import ProjectFiles, load_array
from labeling.insight.control_slice import ControlSlice
from labeling.insight.pace import pace_of
from labeling.insight.payoff_facts import Facts, facts_of, stored_predictions
from labeling.models import ModelVersion, Project
from labeling.models.items import ItemQuerySet
from models_store import metrics, payoff
from models_store.payoff import Band, Estimate, Measured, NextGain

__all__ = [
    "Advice",
    "Band",
    "Estimate",
    "LabelsSpent",
    "Missing",
    "Next",
    "Payoff",
    "Saved",
    "advise",
    "payoff_of",
    "payoff_values",
]

LEAST_VERSIONS = 3
"""Versions, below which there is no curve to go on from."""
MOST_TIMES = 10
WORTH = 0.005
"""Accuracy, in shares of 1, that a batch should bring."""


class Missing(StrEnum):
    """Why it cannot be told what picking has saved."""

    QUESTION = "question"
    PRIVATE = "private"
    NO_CONTROL = "no-control"
    NOTHING_PICKED = "nothing-picked"
    FEW_CONTROL = "few-control"
    NOT_YET = "not-yet"
    FAILED = "failed"


class Advice(StrEnum):
    """What follows for the loop, by whether the next batch brings WORTH. DONE: no item is left for one."""

    TOO_EARLY = "too-early"
    GO_ON = "go-on"
    STOP = "stop"
    UNCLEAR = "unclear"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class LabelsSpent:
    """Labels that the newest version learned from, and the control items labeled by then."""

    learned: int
    control: int

    @property
    def labels(self) -> int:
        return self.learned + self.control


@dataclass(frozen=True, slots=True)
class Uniform:
    """Models that learned from `labels` uniform labels: their accuracy with its 95 % interval, by `n` items."""

    labels: int
    accuracy: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Saved:
    """Labels that uniform labeling would need for the accuracy of the version in use, and how many fewer were spent.

    Ends of intervals beyond the pool's `limit` items are None.
    """

    needed: Estimate
    labels: Estimate
    limit: int
    points: list[Uniform]
    curve: Band


@dataclass(frozen=True, slots=True)
class Next:
    """What the batch after the newest version brings: `items`, of which the next version learns from `labels`."""

    items: int
    labels: int
    gain: NextGain


@dataclass(frozen=True, slots=True)
class Payoff:
    """All of it; None for what cannot be told. `version`: in use. `control`: labeled items that it stands on.
    `more_control`: about how many more it takes to tell. `missing`, `reason`: why `saved` is None.
    """

    advice: Advice
    control: int
    versions: int
    version: int | None = None
    spent: LabelsSpent | None = None
    saved: Saved | None = None
    missing: Missing | None = None
    reason: str = ""
    next: Next | None = None
    more_control: int | None = None


def payoff_of(project: Project) -> Payoff:
    """What can be told now. At most thirteen queries; computed anew only where what it stands on has changed."""
    if project.asks.several:
        return Payoff(Advice.TOO_EARLY, 0, 0, missing=Missing.QUESTION)
    versions = stored_predictions(project)
    if not versions:
        return Payoff(
            Advice.TOO_EARLY, ControlSlice(project).size, 0, missing=Missing.NO_CONTROL, more_control=LEAST_CONTROL
        )
    return _computed(facts_of(project, versions))


@lru_cache(maxsize=64)
def _computed(facts: Facts) -> Payoff:
    """Kept by each process, for an overview is asked for again every few seconds. Nobody changes what it returns."""
    project = facts.project
    items = _truth(project.items.measuring())
    versions, measured = _versions(facts, items)
    if not versions:
        return Payoff(Advice.TOO_EARLY, len(items.rows), 0, missing=Missing.NO_CONTROL, more_control=LEAST_CONTROL)
    used = max((place for place, each in enumerate(versions) if each.number <= facts.version), default=-1)
    used %= len(versions)  # the predictions of the one in use are not stored, and none before it
    until = project.items.measuring().filter(task__batch__number__lte=versions[-1].batch.number)
    spent = LabelsSpent(versions[-1].labels, until.count())
    size, more = facts.next_batch
    ahead = None
    if more and len(versions) >= LEAST_VERSIONS and len(items.rows) >= LEAST_CONTROL:
        ahead = Next(size, more, payoff.next_gain(measured, more))
    advice, more_control = advise(ahead, len(items.rows)) if size else (Advice.DONE, None)
    saved, missing, reason = _saved(facts, versions, used, measured, items, spent)
    number = versions[used].number
    return Payoff(advice, len(items.rows), len(versions), number, spent, saved, missing, reason, ahead, more_control)


def advise(ahead: Next | None, control: int) -> tuple[Advice, int | None]:
    """The rule, on what labels bring apart from the luck of one version; and how many more control items tell, about.

    An interval is half as wide with four times as many. None where it would take more than MOST_TIMES as many: the gain
    lies too close to WORTH.
    """
    if ahead is None:
        return Advice.TOO_EARLY, max(0, LEAST_CONTROL - control) or None
    gain = ahead.gain.expected
    assert gain.value is not None
    assert gain.high is not None
    if gain.high < WORTH:
        return Advice.STOP, None
    if gain.value >= WORTH:
        return Advice.GO_ON, None
    more = round((((gain.high - gain.value) / (WORTH - gain.value)) ** 2 - 1) * control)
    return Advice.UNCLEAR, max(1, more) if more <= MOST_TIMES * control else None


@dataclass(frozen=True, slots=True)
class _Items:
    """Labeled items: rows (n,), ascending, and labels (n,)."""

    rows: np.ndarray
    labels: np.ndarray


def _truth(items: ItemQuerySet) -> _Items:
    labeled = sorted(items.labeled().filter(row__isnull=False).values_list("row", "label"))
    rows, labels = np.array(labeled, np.int64).reshape(-1, 2).T
    return _Items(rows, labels)


def _versions(facts: Facts, items: _Items) -> tuple[list[ModelVersion], Measured]:
    """The versions that have said something of control items, and which of the items each has wrong."""
    files, kept, predictions = ProjectFiles(facts.project), [], []
    for version in facts.versions:
        best = load_array(files.pool(version, "best"), mmap=True)
        known = items.rows[items.rows < len(best)]
        if len(known):
            kept.append(version)
            predictions.append(np.pad(best[known], (0, len(items.rows) - len(known)), constant_values=MISSING))
    answers = np.array(predictions).reshape(len(kept), len(items.rows))
    labels = np.array([version.labels for version in kept], np.int64)
    return kept, Measured(labels, answers != items.labels, answers != MISSING, np.ones_like(labels))


def _saved(
    facts: Facts, versions: list[ModelVersion], used: int, measured: Measured, control: _Items, spent: LabelsSpent
) -> tuple[Saved | None, Missing | None, str]:
    """What picking has saved, or why that cannot be told."""
    project, first_picked = facts.project, facts.first_picked
    if first_picked is None or versions[used].batch.number < first_picked:
        return None, Missing.NOTHING_PICKED, ""
    if len(control.rows) < LEAST_CONTROL:
        return None, Missing.FEW_CONTROL, ""
    if facts.private:
        return None, Missing.PRIVATE, ""
    baseline = stored.load(ProjectFiles(project).baseline, Baseline)
    if baseline is None:
        return None, Missing.NOT_YET if facts.failure is None else Missing.FAILED, facts.failure or ""
    first = _truth(project.items.of_batches_before(first_picked).filter(reserved=False))
    rows = np.concatenate([control.rows, first.rows])
    labels = np.concatenate([control.labels, first.labels])
    by_chance = [place for place, version in enumerate(versions) if version.batch.number < first_picked]
    versions_on_all = _padded(measured, len(first.rows))
    uniform = _thrown_away(baseline, rows, labels).joined(versions_on_all.rows(by_chance))
    limit = max(facts.pool, spent.labels)
    needs = payoff.uniform_needs(uniform, versions_on_all.rows([used]), limit=limit)
    points = sorted((_point(uniform, place) for place in range(len(uniform.labels))), key=lambda each: each.labels)
    return Saved(needs.needed, _minus(needs.needed, spent.labels), limit, points, needs.curve), None, ""


def _padded(measured: Measured, more: int) -> Measured:
    """The same with items that no version was measured on."""
    pad = ((0, 0), (0, more))
    return Measured(measured.labels, np.pad(measured.wrong, pad), np.pad(measured.seen, pad), measured.models)


def _thrown_away(baseline: Baseline, rows: np.ndarray, labels: np.ndarray) -> Measured:
    """Which of the items, in any order, the throw-away models have wrong, by what they are taken to be by now."""
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


def _minus(needed: Estimate, spent: int) -> Estimate:
    return Estimate(
        value=None if needed.value is None else needed.value - spent,
        low=needed.low - spent,
        high=None if needed.high is None else needed.high - spent,
    )


def payoff_values(project: Project, now: datetime.datetime) -> dict[str, Any]:
    """The same as plain values, for programs: what the next batch takes is None as long as no pace is known."""
    payoff_now, pace = payoff_of(project), pace_of(project, now)
    values: dict[str, Any] = {
        "advice": str(payoff_now.advice),
        "version": payoff_now.version,
        "versions": payoff_now.versions,
        "control": payoff_now.control,
        "more_control": payoff_now.more_control,
        "spent": payoff_now.spent and {**asdict(payoff_now.spent), "labels": payoff_now.spent.labels},
        "saved": None,
        "missing": payoff_now.missing and str(payoff_now.missing),
        "reason": payoff_now.reason,
        "next": None,
    }
    if payoff_now.saved is not None:
        saved = payoff_now.saved
        curve = zip(*(getattr(saved.curve, name).tolist() for name in ("labels", "value", "low", "high")), strict=True)
        values["saved"] = {
            "labels": asdict(saved.labels),
            "needed": asdict(saved.needed),
            "limit": saved.limit,
            "points": [asdict(point) for point in saved.points],
            "curve": [dict(zip(("labels", "accuracy", "low", "high"), point, strict=True)) for point in curve],
        }
    if payoff_now.next is not None:
        answers = payoff_now.next.items * project.overlap
        hours = None if pace.seconds is None else answers * pace.seconds / 3600
        cost = None if hours is None or project.hourly_cost is None else hours * float(project.hourly_cost)
        values["next"] = {
            "items": payoff_now.next.items,
            "labels": payoff_now.next.labels,
            "expected": asdict(payoff_now.next.gain.expected),
            "predicted": asdict(payoff_now.next.gain.predicted),
            "hours": hours,
            "cost": cost,
            "currency": project.currency,
        }
    return values
