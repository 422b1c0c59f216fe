"""The sizes of the next batch under given settings, and the work it takes. Values in, values out."""

from __future__ import annotations

import math
from dataclasses import dataclass

from labeling.arrays.forecast import divide
from labeling.insight.pace import Pace
from labeling.insight.pool import PoolCounts
from labeling.models.batches import PROMPTED_SHARE
from labeling.models.project_settings import ProjectSettings
from labeling.web.settings.standing import Standing
from labeling.web.shared.words import HOUR
from selector.strategies import STRATEGIES

# The time of an answer as long as the project has none.
ASSUMED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class NextBatch:
    """`picked` of the `candidates`, and `control` at random. Candidates are None where they depend on the clusters."""

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
    """The sizes that `arrays.plan.plan_batch` would give the next batch."""
    others = pool.unlabeled - pool.reserved
    picked, control = divide(others, pool.reserved, batch_size=batch_size, control_share=control_share)
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
    """Batches until no item is left: each takes as many as it can."""
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
    """Hours of labeling for this number of items. `answers`: the mean number for one item; by default the overlap."""
    seconds = ASSUMED_SECONDS if pace.seconds is None else pace.seconds
    return items * (answers or settings.overlap) * seconds / HOUR


def measured_of(batch: NextBatch, settings: ProjectSettings, standing: Standing) -> int:
    """Number of control items that measure accuracy: those without a prediction or suggestion on the screen."""
    predicting = settings.show_predictions and not standing.first
    suggesting = settings.show_suggestions and standing.suggestions
    prompted = PROMPTED_SHARE if predicting or suggesting else 0.0
    return round(batch.control * (1 - prompted))
