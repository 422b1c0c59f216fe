"""Batches as tables show them."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from labeling.models import Batch, Project
from labeling.web.words import Moment, duration, moment, number


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One batch in a table."""

    number: int
    state: str
    size: int
    answered: int
    shown: str
    picked_by: str
    version: int | None
    opened: Moment | None
    done: Moment | None


def batch_rows(batches: Iterable[Batch], now: datetime.datetime) -> list[BatchRow]:
    """Needs `selected_by` and `model_version` selected with the batches."""
    return [
        BatchRow(
            number=batch.number,
            state=batch.state,
            size=batch.size,
            answered=batch.size - batch.remaining,
            shown=f"{number(batch.size - batch.remaining)} of {number(batch.size)}" if batch.size else "–",
            picked_by=picked_by(batch),
            version=batch.model_version.number if hasattr(batch, "model_version") else None,
            opened=moment(batch.opened_at, now),
            done=moment(batch.done_at, now),
        )
        for batch in batches
    ]


def picked_by(batch: Batch) -> str:
    """How the batch came about, in a few words."""
    if batch.strategy == Project.Strategy.UNIFORM or (batch.strategy and batch.selected_by is None):
        return "at random"
    return f"by {batch.strategy}, version {batch.selected_by.number}" if batch.selected_by else "–"


def stretch(start: datetime.datetime | None, end: datetime.datetime | None) -> str:
    """The time between two moments, if both are there."""
    return duration(max(0.0, (end - start).total_seconds())) if start and end else ""
