"""The state of a project on which the consequences of settings depend. The page reads it while a manager types."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field

from labeling.insight.pace import Pace, pace_of
from labeling.insight.pool_counts import PoolCounts, count_pool
from labeling.labels import counting
from labeling.labels.resolving.posterior import AnswerSpace
from labeling.models import Batch, Project
from labeling.projects.privacy import ledger
from labeling.projects.privacy.budgets import Spent
from labeling.queue import gold
from labeling.storage.arrays import stored
from labeling.storage.arrays.batch_forecast import Sample
from labeling.storage.arrays.files import ProjectFiles


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
