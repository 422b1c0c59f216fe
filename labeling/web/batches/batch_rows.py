"""The rows of tables of batches."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext, gettext_lazy, ngettext

from labeling.models import Batch
from labeling.models.batches import BY_CHANCE, IMPORTED, SEED
from labeling.web.shared.words import accuracy, duration, number, percent, span

STATES = {
    Batch.State.SELECTING: gettext_lazy("selecting"),
    Batch.State.READY: gettext_lazy("ready"),
    Batch.State.OPEN: gettext_lazy("open"),
    Batch.State.TRAINING: gettext_lazy("training"),
    Batch.State.DONE: gettext_lazy("done"),
    Batch.State.FAILED: gettext_lazy("failed"),
    Batch.State.IMPORTING: gettext_lazy("importing"),
}
"""The states of a batch, in one word."""


@dataclass(frozen=True, slots=True)
class Effort:
    """The duration, the hours of work and the resulting accuracy of a batch, for members who may read them."""

    lasted: str
    work: str
    accuracy: str
    interval: str


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A row of a table of batches."""

    number: int
    state: str
    state_shown: str
    size: int
    answered: int
    shown: str
    left_out: str
    picked_by: str
    version: int | None
    opened: datetime.datetime | None
    done: datetime.datetime | None
    effort: Effort | None


def batch_rows(batches: Iterable[Batch], hours: Mapping[int, float] | None = None) -> list[BatchRow]:
    """Make a row for each batch.

    The batches must be selected with `selected_by` and `model_version`. `hours` maps a batch's key to its hours of
    work; with it, the rows have an `Effort`.
    """
    return [
        BatchRow(
            number=batch.number,
            state=batch.state,
            state_shown=str(STATES[Batch.State(batch.state)]),
            size=batch.size,
            answered=batch.size - batch.remaining,
            shown=_of_all(batch),
            left_out=left_out(batch),
            picked_by=picked_by(batch),
            version=batch.model_version.number if hasattr(batch, "model_version") else None,
            opened=batch.opened_at,
            done=batch.done_at,
            effort=None if hours is None else _effort(batch, hours),
        )
        for batch in batches
    ]


def answered_of(answered: int, answers: int, size: int) -> str:
    """Return the progress of a batch in answers, or in items where each item needs one answer; empty without items."""
    if not size:
        return ""
    by_item = gettext("%(answered)s of %(all)s done")
    text = by_item if answers == size else gettext("%(answered)s of %(all)s answers")
    return text % {"answered": number(answered), "all": number(answers)}


def _of_all(batch: Batch) -> str:
    values = {"part": number(batch.size - batch.remaining), "all": number(batch.size)}
    return gettext("%(part)s of %(all)s") % values if batch.size else "–"


def left_out(batch: Batch) -> str:
    """Say how many tasks were left out of a batch that was ended early; empty if none."""
    text = ngettext("%(n)s left out", "%(n)s left out", batch.dropped)
    return text % {"n": number(batch.dropped)} if batch.dropped else ""


def _effort(batch: Batch, hours: Mapping[int, float]) -> Effort:
    version = getattr(batch, "model_version", None)
    control = (version.metrics.get("control") if version else None) or {}
    known = bool(control.get("n"))
    return Effort(
        lasted=stretch(batch.opened_at, batch.completed_at) or "–",
        work=duration(hours[batch.pk] * 3600) if batch.pk in hours else "–",
        accuracy=accuracy(control["accuracy"], control["n"]) if known else "–",
        interval=span(percent(control["low"], exact=True), percent(control["high"], exact=True)) if known else "",
    )


def picked_by(batch: Batch) -> str:
    """Say in a few words how the batch was picked."""
    if batch.strategy == IMPORTED:
        return gettext("imported")
    if batch.strategy == SEED:
        return gettext("without a model")
    if batch.strategy in BY_CHANCE or (batch.strategy and batch.selected_by is None):
        return gettext("at random")
    if batch.selected_by is None:
        return "–"
    number, newest = batch.selected_by.number, batch.newest_version
    values = {"strategy": batch.strategy, "number": number, "newest": newest}
    if newest in (None, number):
        return gettext("by %(strategy)s, version %(number)s") % values
    return gettext("by %(strategy)s, version %(number)s, not %(newest)s") % values


def stretch(start: datetime.datetime | None, end: datetime.datetime | None) -> str:
    """Return the time between two moments, in words; empty if either is missing."""
    return duration(max(0.0, (end - start).total_seconds())) if start and end else ""
