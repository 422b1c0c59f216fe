"""The state of a project that its settings act on, and the sizes of the next batch and the work it takes."""

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from labeling.insight.pace import Pace, pace_of
from labeling.insight.pool_counts import PoolCounts, count_pool
from labeling.labels import counting
from labeling.labels.resolving.posterior import AnswerSpace
from labeling.models import Batch, Project
from labeling.models.batches import PROMPTED_SHARE
from labeling.models.project_settings import ProjectSettings
from labeling.projects.privacy import ledger
from labeling.projects.privacy.budgets import Spent
from labeling.queue import gold
from labeling.storage.arrays import stored
from labeling.storage.arrays.batch_forecast import Sample, split_batch
from labeling.storage.arrays.files import ProjectFiles
from labeling.web.shared.words import HOUR
from selector.strategies import STRATEGIES


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a project on which the consequences of settings depend.

    Parameters
    ----------
    first: whether the project has no model yet.
    accuracies: of the members whose accuracy is known.
    space: the answers among which people's errors spread.
    accuracy, measured: the accuracy of the newest version, and the number of control items in it.
    waiting: number of control items in unfinished batches.
    sample: the sample of the pool that the forecast is made of.
    labels: number of labels that a training could use now.
    spent: the privacy budget that trainings have used.
    suggestions: whether items have imported suggestions.
    gold_notice: why gold is not asked while annotators see suggestions; "" if it is.
    """

    pool: PoolCounts
    pace: Pace
    first: bool = False
    accuracies: Sequence[float] = ()
    space: AnswerSpace = field(default_factory=lambda: AnswerSpace(2))
    measured: int = 0
    waiting: int = 0
    accuracy: float | None = None
    sample: Sample | None = None
    labels: int = 0
    spent: Spent = field(default_factory=Spent)
    suggestions: bool = False
    gold_notice: str = ""


def standing_of(project: Project, now: datetime.datetime) -> Standing:
    """Read the state with at most eighteen queries and a small file, whatever the project's size."""
    version = project.versions.order_by("-number").first()
    unfinished = project.batches.exclude(state=Batch.State.DONE).values_list("control_tasks", flat=True)
    control = (version.metrics.get("control") if version else None) or {}
    measured = control.get("n") or 0
    n_classes = project.classes.count()
    return Standing(
        pool=count_pool(project),
        pace=pace_of(project, now),
        first=version is None,
        accuracies=[
            accuracy
            for accuracy in project.memberships.order_by("pk").values_list("accuracy", flat=True)
            if accuracy is not None
        ],
        space=AnswerSpace(project.asks.possible(n_classes), project.asks.decisions(n_classes)),
        measured=measured,
        waiting=sum(unfinished),
        accuracy=control.get("accuracy") if measured else None,
        sample=stored.load(ProjectFiles(project).sample, Sample) if version else None,
        labels=counting.trainable_labels(project),
        spent=ledger.spent_by(project),
        suggestions=project.items.suggested().exists(),
        gold_notice=gold.why_not_asked(project),
    )


@dataclass(frozen=True, slots=True)
class NextBatch:
    """The `picked` items from the `candidates` (None: clusters decide), and the random `control` items."""

    picked: int
    candidates: int | None
    control: int

    @property
    def size(self) -> int:
        return self.picked + self.control


def next_batch(standing: Standing, settings: ProjectSettings) -> NextBatch:
    """Return the sizes that `steps.batch_plan.plan_batch` would give the next batch under these settings."""
    reserved = standing.pool.reserved
    others = standing.pool.unlabeled - reserved
    picked, control = split_batch(
        others, reserved, batch_size=settings.batch_size, control_share=settings.control_share
    )
    candidates: int | None
    drawn_from = "pool" if standing.first else STRATEGIES[settings.strategy].candidates
    if drawn_from == "pool":
        candidates = others
    elif drawn_from == "batch":
        candidates = picked
    else:
        factor = settings.candidate_factor
        candidates = None if factor is None else min(others, round(factor * picked))
    return NextBatch(picked, candidates, control)


def rounds_left(pool: PoolCounts, batch_size: int) -> int:
    """Return the number of batches until no item is left."""
    return math.ceil(pool.unlabeled / batch_size)


def person_hours(items: int, settings: ProjectSettings, pace: Pace, answers: float | None = None) -> float:
    """Return the hours of labeling of `items`. `answers`: the mean number an item, by default the overlap."""
    return items * (answers or settings.overlap) * pace.estimate / HOUR


def measured_of(batch: NextBatch, settings: ProjectSettings, standing: Standing) -> int:
    """Return the number of control items that measure accuracy: those without a shown prediction or suggestion."""
    predicting = settings.show_predictions and not standing.first
    suggesting = settings.show_suggestions and standing.suggestions
    prompted = PROMPTED_SHARE if predicting or suggesting else 0.0
    return round(batch.control * (1 - prompted))
