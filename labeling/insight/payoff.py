"""Estimate on the control slice whether picking pays off. Files and a few queries.

A version's labels are the labels that it learned from. The labels spent include the control items labeled by then;
uniform labeling is not charged for control items.
"""

import datetime
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

import numpy as np

from labeling.insight.control_slice import ControlSlice
from labeling.insight.labels_saved import (
    LabelsSpent,
    NoFigure,
    PayoffFacts,
    RowLabels,
    Saved,
    facts_of_payoff,
    labels_saved,
    row_labels,
    stored_predictions,
)
from labeling.insight.pace import pace_of
from labeling.models import ModelVersion, Project
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.arrays.stored import LEAST_CONTROL, MISSING
from models_store import payoff
from models_store.payoff import Measured, NextGain, OpenEstimate

LEAST_VERSIONS = 3
"""The least number of versions for a learning curve."""
MOST_TIMES = 10
WORTH = 0.005
"""The gain in accuracy that makes a batch worth labeling, as a share of 1."""
AGAIN = 2 * WORTH
"""The upper end of a gain from which a batch may be worth it again, after the advice to stop."""


class Advice(StrEnum):
    """The advice for the loop, by whether the next batch gains WORTH. DONE: no item is left for a batch."""

    TOO_EARLY = "too-early"
    GO_ON = "go-on"
    STOP = "stop"
    UNCLEAR = "unclear"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Next:
    """The expected gain of the batch after the newest version: of its `items`, the next version learns `labels`."""

    items: int
    labels: int
    gain: NextGain


@dataclass(frozen=True, slots=True)
class Payoff:
    """Labels saved, the gain of the next batch, and the advice that follows. What cannot be estimated is null."""

    advice: Annotated[
        Advice,
        f"`stop`: the next batch brings less than {WORTH} of accuracy, at 95 %. `go-on`: more likely than not it "
        "brings as much. `unclear`: neither. `too-early`: too few control items or versions. `done`: no item is left.",
    ]
    control: Annotated[int, "Labeled control items that it stands on."]
    versions: Annotated[int, "Model versions that it stands on."]
    version: Annotated[int | None, "The model version in use."] = None
    spent: LabelsSpent | None = None
    saved: Saved | None = None
    missing: Annotated[NoFigure | None, "Why `saved` is null."] = None
    reason: Annotated[str, "Why the estimate failed."] = ""
    next: Next | None = None
    more_control: Annotated[int | None, "About how many more it takes to tell."] = None
    learned: int = 0
    """The number of labels that the version in use learned from."""


def payoff_of(project: Project, control: ControlSlice | None = None) -> Payoff:
    """Return the project's payoff, cached until its facts change. `control`: read if needed. At most 14 queries."""
    control = control or ControlSlice(project)
    if control.facts is None:
        return Payoff(Advice.TOO_EARLY, 0, 0, missing=NoFigure.QUESTION)
    versions = stored_predictions(project)
    if not versions:
        return Payoff(Advice.TOO_EARLY, control.size, 0, missing=NoFigure.NO_CONTROL, more_control=LEAST_CONTROL)
    return _computed(facts_of_payoff(project, versions, control.facts))


@lru_cache(maxsize=64)
def _computed(facts: PayoffFacts) -> Payoff:
    """Return the payoff. Each process caches it, since pages reload every few seconds; do not change it."""
    project = facts.project
    items = row_labels(project.items.measuring())
    versions, measured = _versions(facts, items)
    if not versions:
        return Payoff(Advice.TOO_EARLY, len(items.rows), 0, missing=NoFigure.NO_CONTROL, more_control=LEAST_CONTROL)
    used = max((place for place, each in enumerate(versions) if each.number <= facts.version), default=-1)
    used %= len(versions)  # without stored predictions up to the version in use, the last version
    until = project.items.measuring().filter(task__batch__number__lte=versions[-1].last_batch)
    spent = LabelsSpent(versions[-1].labels, until.count())
    size, more = facts.next_batch
    ahead = None
    if more and len(versions) >= LEAST_VERSIONS and len(items.rows) >= LEAST_CONTROL:
        ahead = Next(size, more, payoff.next_gain(measured, more))
    advice, more_control = advise(ahead, len(items.rows), lambda: _before(measured)) if size else (Advice.DONE, None)
    saved, missing, reason = labels_saved(facts, versions, used, measured, items, spent)
    number, learned, control = versions[used].number, versions[used].labels, len(items.rows)
    return Payoff(advice, control, len(versions), number, spent, saved, missing, reason, ahead, more_control, learned)


def advise(
    ahead: Next | None, control: int, before: Callable[[], OpenEstimate | None] = lambda: None
) -> tuple[Advice, int | None]:
    """Return the advice from the expected gain, and about how many more control items an unclear case needs.

    The interval of the gain is half as wide with four times as many control items. The number is None if it exceeds
    MOST_TIMES the present number: the gain is too close to WORTH. `before` estimates the gain of the batch before. A
    batch brings less than the one before: if that was almost certainly not worth it, the advice to stop stands, unless
    the newest interval reaches AGAIN.
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
    earlier = before() if gain.high < AGAIN else None
    if earlier is not None and earlier.high is not None and earlier.high < WORTH:
        return Advice.STOP, None
    more = round((((gain.high - gain.value) / (WORTH - gain.value)) ** 2 - 1) * control)
    return Advice.UNCLEAR, max(1, more) if more <= MOST_TIMES * control else None


def _before(measured: Measured) -> OpenEstimate | None:
    """Return the expected gain of the newest version's batch, as it was estimated before that version."""
    labels = measured.labels
    if len(labels) <= LEAST_VERSIONS:
        return None
    return payoff.next_gain(measured.rows(np.arange(len(labels) - 1)), int(labels[-1] - labels[-2])).expected


def _versions(facts: PayoffFacts, items: RowLabels) -> tuple[list[ModelVersion], Measured]:
    """Return the versions with predictions for control items, and the items that each predicts wrongly."""
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
    """Return the payoff as plain values. The next batch's `hours` and `cost` are None without a known pace."""
    payoff_now, pace = payoff_of(project), pace_of(project, now)
    values = asdict(payoff_now)
    del values["learned"]
    if payoff_now.spent is not None:
        values["spent"]["labels"] = payoff_now.spent.labels
    if payoff_now.saved is not None:
        band = payoff_now.saved.curve
        points = zip(*(each.tolist() for each in (band.labels, band.value, band.low, band.high)), strict=True)
        values["saved"]["curve"] = [
            dict(zip(("labels", "accuracy", "low", "high"), point, strict=True)) for point in points
        ]
    if (ahead := values["next"]) is not None:
        hours = None if pace.seconds is None else ahead["items"] * project.overlap * pace.seconds / 3600
        cost = None if hours is None or project.hourly_cost is None else hours * float(project.hourly_cost)
        ahead |= {**ahead.pop("gain"), "hours": hours, "cost": cost, "currency": project.currency}
    return values
