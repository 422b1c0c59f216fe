"""The sizes of the next batch under given settings, and the work it takes. Pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from labeling.insight.pace import Pace
from labeling.insight.pool_counts import PoolCounts
from labeling.models.batches import PROMPTED_SHARE
from labeling.models.project_settings import ProjectSettings
from labeling.storage.arrays.batch_forecast import split_batch
from labeling.web.settings.standing import Standing
from labeling.web.shared.words import HOUR
from selector.strategies import STRATEGIES


@dataclass(frozen=True, slots=True)
class NextBatch:
    """The `picked` items from the `candidates`, and the random `control` items. `candidates` is None if clusters decide
    it.
    """

    picked: int
    candidates: int | None
    control: int

    @property
    def size(self) -> int:
        return self.picked + self.control


def next_batch(
    pool: PoolCounts,
    *,
    batch_size: int,
    candidate_factor: float | None,
    control_share: float,
    strategy: str = "cluster-margin",
    first: bool = False,
) -> NextBatch:
    """Return the sizes that `arrays.batch_plan.plan_batch` would give the next batch."""
    others = pool.unlabeled - pool.reserved
    picked, control = split_batch(others, pool.reserved, batch_size=batch_size, control_share=control_share)
    candidates: int | None
    drawn_from = "pool" if first else STRATEGIES[strategy].candidates
    if drawn_from == "pool":
        candidates = others
    elif drawn_from == "batch":
        candidates = picked
    else:
        candidates = None if candidate_factor is None else min(others, round(candidate_factor * picked))
    return NextBatch(picked, candidates, control)


def rounds_left(pool: PoolCounts, batch_size: int) -> int:
    """Return the number of batches until no item is left."""
    return math.ceil(pool.unlabeled / batch_size)


def batch_of(standing: Standing, settings: ProjectSettings) -> NextBatch:
    return next_batch(
        standing.pool,
        batch_size=settings.batch_size,
        candidate_factor=settings.candidate_factor,
        control_share=settings.control_share,
        strategy=settings.strategy,
        first=standing.first,
    )


def person_hours(items: int, settings: ProjectSettings, pace: Pace, answers: float | None = None) -> float:
    """Return the hours of labeling for this number of items. `answers`: the mean number per item, by default the
    overlap.
    """
    return items * (answers or settings.overlap) * pace.estimate / HOUR


def measured_of(batch: NextBatch, settings: ProjectSettings, standing: Standing) -> int:
    """Return the number of control items that measure accuracy: those without a shown prediction or suggestion."""
    predicting = settings.show_predictions and not standing.first
    suggesting = settings.show_suggestions and standing.suggestions
    prompted = PROMPTED_SHARE if predicting or suggesting else 0.0
    return round(batch.control * (1 - prompted))
