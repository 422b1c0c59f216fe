"""The settings that have consequences, where the project stands, and what both come to. Values in, values out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from labeling.arrays.forecast import Sample
from labeling.arrays.sizes import divide
from labeling.insight.pace import Pace
from labeling.insight.pool import PoolCounts
from labeling.loop.ledger import Spent
from labeling.models import Project
from labeling.models.batches import PROMPTED_SHARE
from labeling.web.shared.words import HOUR

# What an answer is taken to need until somebody has given some.
ASSUMED_SECONDS = 5.0


# What strategies that have no candidates do with the pool.
FROM_THE_WHOLE_POOL = {
    str(Project.Strategy.UNIFORM): "all, at random",
    str(Project.Strategy.CORESET): "all, for what is unlike the rest",
    str(Project.Strategy.BADGE): "all, for what would change the model most",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings that have consequences to be told."""

    strategy: str
    batch_size: int
    candidate_factor: float | None
    control_share: float
    overlap: int
    complete_share: float
    overlap_max: int | None = None
    label_confidence: float = 0.95
    check_share: float = 0.05
    mean_cluster_size: float = 5.0
    class_guard: float | None = None
    near_copies: int = 0
    copy_checks: float = 0.1
    show_predictions: bool = False
    show_suggestions: bool = False
    deadline_hours: float | None = None
    hourly_cost: Decimal | None = None
    currency: str = ""
    privacy_epsilon: float | None = None
    privacy_delta: float = 1e-6
    privacy_trainings: int = 10
    privacy_noise: float | None = None


# Their names on the project and in the form.
TELLING = tuple(Terms.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the project stands. `first`: there is no model yet. `accuracy` is the newest version's on `measured`
    control items; `waiting` control items are in the open batch and will be measured whatever is set now. `sample` of
    the pool: the forecast stands on it. `labels` are those that a training could learn from now, and
    `spent` is what private ones have cost. `suggestions`: items came with some.
    """

    pool: PoolCounts
    pace: Pace
    first: bool = False
    accuracies: Sequence[float] = ()
    n_values: int = 2
    measured: int = 0
    waiting: int = 0
    accuracy: float | None = None
    sample: Sample | None = None
    labels: int = 0
    spent: Spent = field(default_factory=Spent)
    suggestions: bool = False


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
    strategy: str = Project.Strategy.CLUSTER_MARGIN,
    first: bool = False,
) -> NextBatch:
    """What the selection would make of the pool: the sizes that `arrays.plan.plan_batch` comes to."""
    others = pool.unlabeled - pool.reserved
    picked, control = divide(others, pool.reserved, batch_size=batch_size, control_share=control_share)
    candidates: int | None
    if first or strategy in FROM_THE_WHOLE_POOL:
        candidates = others
    elif strategy in (Project.Strategy.MARGIN, Project.Strategy.ENTROPY):
        candidates = picked
    else:
        candidates = None if candidate_factor is None else min(others, round(candidate_factor * picked))
    return NextBatch(picked, candidates, control)


def rounds_left(pool: PoolCounts, batch_size: int) -> int:
    """Batches until no item is left: each takes as many as it can."""
    return math.ceil(pool.unlabeled / batch_size)


def batch_of(standing: Standing, terms: Terms) -> NextBatch:
    return next_batch(
        standing.pool,
        batch_size=terms.batch_size,
        candidate_factor=terms.candidate_factor,
        control_share=terms.control_share,
        strategy=terms.strategy,
        first=standing.first,
    )


def person_hours(items: int, terms: Terms, pace: Pace, answers: float | None = None) -> float:
    """Hours that people label for so many items, with so many answers each: the overlap, if it is not known better."""
    seconds = ASSUMED_SECONDS if pace.seconds is None else pace.seconds
    return items * (answers or terms.overlap) * seconds / HOUR


def measured_of(batch: NextBatch, terms: Terms, standing: Standing) -> int:
    """Control items of the batch that a model is measured on: those whose annotators are prompted with no answer."""
    prompting = (terms.show_predictions and not standing.first) or (terms.show_suggestions and standing.suggestions)
    prompted = PROMPTED_SHARE if prompting else 0.0
    return round(batch.control * (1 - prompted))
