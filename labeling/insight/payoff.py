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

from labeling.arrays.baseline import LEAST_CONTROL, MISSING
from labeling.arrays.files import ProjectFiles
from labeling.insight.control_slice import ControlSlice
from labeling.insight.labels_saved import LabeledRows, LabelsSpent, Missing, Saved, labeled_rows, labels_saved
from labeling.insight.pace import pace_of
from labeling.insight.payoff_facts import Facts, facts_of, stored_predictions
from labeling.models import ModelVersion, Project
from models_store import payoff
from models_store.payoff import Measured, NextGain

LEAST_VERSIONS = 3
"""Versions, below which there is no curve to go on from."""
MOST_TIMES = 10
WORTH = 0.005
"""Accuracy, in shares of 1, that a batch should bring."""


class Advice(StrEnum):
    """What follows for the loop, by whether the next batch brings WORTH. DONE: no item is left for one."""

    TOO_EARLY = "too-early"
    GO_ON = "go-on"
    STOP = "stop"
    UNCLEAR = "unclear"
    DONE = "done"


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
    """What can be told now. At most thirteen queries; computed again only where its basis has changed."""
    if project.asks.best_is_no_answer:
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
    items = labeled_rows(project.items.measuring())
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
    saved, missing, reason = labels_saved(facts, versions, used, measured, items, spent)
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


def _versions(facts: Facts, items: LabeledRows) -> tuple[list[ModelVersion], Measured]:
    """The versions that have said something of control items, and which of the items each has wrong."""
    files, kept, predictions = ProjectFiles(facts.project), [], []
    for version in facts.versions:
        best = files.answers(version)
        known = items.rows[items.rows < len(best)] if best is not None else items.rows[:0]
        if best is not None and len(known):
            kept.append(version)
            predictions.append(np.pad(best[known], (0, len(items.rows) - len(known)), constant_values=MISSING))
    answers = np.array(predictions).reshape(len(kept), len(items.rows))
    labels = np.array([version.labels for version in kept], np.int64)
    return kept, Measured(labels, answers != items.labels, answers != MISSING, np.ones_like(labels))


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
