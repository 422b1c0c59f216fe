"""Measure whether people follow the predictions that they see: compare tasks that show one with tasks that do not.

The tasks that show a prediction are drawn at random (docs/decisions/07-nothing-tells-a-task.md), so the two
groups differ in nothing else.
"""

import datetime
import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from django.db.models import Max, Sum

from labeling.insight.bootstrap import Estimate
from labeling.insight.share_intervals import ENOUGH, Proportion
from labeling.models import Annotation, Project, WorkLog
from labeling.models.tasks import PromptedBy
from labeling.queue.prompting import SUGGESTED
from models_store.metrics import wilson

SAMPLE = 20_000
"""The number of newest answers that are read."""


@dataclass(frozen=True, slots=True)
class MatchShare:
    """The number of tasks with this answer, with the 95 % interval of their share."""

    chosen: int
    n: int
    low: Proportion
    high: Proportion


@dataclass(frozen=True, slots=True)
class Chosen:
    """How often annotators chose the model's prediction when the page showed it, and when not."""

    prompted: MatchShare
    unprompted: MatchShare
    difference: Annotated[Estimate, "Of the two shares."]


@dataclass(frozen=True, slots=True)
class Anchoring:
    """Whether annotators lean towards the shown predictions; null for fewer than 20 tasks with or without one."""

    first: Annotated[Chosen | None, "The model's first choice."]
    listed: Annotated[Chosen | None, "One of the five classes that are suggested, where several are."]


def anchoring_of(project: Project) -> Anchoring | None:
    """Return the project's figures; None if it shows no predictions. One query; two if there are new answers."""
    if not project.show_predictions:
        return None
    rows = WorkLog.objects.by_people(project).filter(batch__selected_by__isnull=False)
    batches = rows.values_list("batch").annotate(n=Sum("answers"), last=Max("last_at")).order_by("-batch__number")
    newest: list[tuple[int, int, datetime.datetime]] = []
    answers = 0
    for batch, n, last in batches:
        newest.append((batch, n, last))
        answers += n
        if answers >= SAMPLE:
            break
    return _measure(project, str(project.merged), tuple(newest))


@lru_cache(maxsize=16)
def _measure(project: Project, merged: str, batches: tuple[tuple[int, int, datetime.datetime], ...]) -> Anchoring:
    """Return the figures of these batches. Each process caches them until one of these arguments changes."""
    first: Counter[tuple[bool, bool]] = Counter()
    listed: Counter[tuple[bool, bool]] = Counter()
    counted = project.asks.counted
    for value, predicted, likely, is_prompted in _answers(project, [batch for batch, *_ in batches]):
        answered = set(counted(value))
        best = project.follow(project.asks.as_answer(predicted))
        first[is_prompted, bool(answered & set(counted(best)))] += 1
        if likely:
            classes = [predicted, *map(int, likely.split())]
            shown = list(dict.fromkeys(project.merges.get(index, index) for index in classes))[:SUGGESTED]
            listed[is_prompted, bool(answered & set(shown))] += 1
    return Anchoring(_chosen(first), _chosen(listed))


def _chosen(counts: Counter[tuple[bool, bool]]) -> Chosen | None:
    """Return the shares from numbers of answers by (whether the prediction was shown, whether they match it)."""
    sizes = {shown: counts[shown, True] + counts[shown, False] for shown in (True, False)}
    if min(sizes.values()) < ENOUGH:
        return None
    prompted, unprompted = (
        MatchShare(counts[shown, True], n, *wilson(counts[shown, True], n)) for shown, n in sizes.items()
    )
    return Chosen(prompted, unprompted, difference(prompted, unprompted))


def _answers(project: Project, batches: list[int]) -> list[tuple[Any, int, str, bool]]:
    """Return (answer, first choice, likely classes, whether they were shown) for the first answer to each sampled task.

    Only tasks of batches that showed predictions, and without an imported suggestion, which would be shown instead.
    """
    answers = Annotation.objects.by_people().filter(
        task__batch__in=batches, task__item__isnull=False, task__item__suggestion__isnull=True
    )
    rows = answers.order_by("-pk").values_list(
        "task", "task__batch", "value", "task__predicted", "task__likely", "task__prompted", "task__prompted_by"
    )[:SAMPLE]
    tasks = {row[0]: row[1:] for row in rows}
    shown = {batch for batch, *_, by in tasks.values() if by == PromptedBy.MODEL}
    return [
        (project.follow(value), predicted, likely, is_prompted)
        for batch, value, predicted, likely, is_prompted, by in tasks.values()
        if predicted is not None and batch in shown and (by == PromptedBy.MODEL or not is_prompted)
    ]


def difference(one: MatchShare, other: MatchShare) -> Estimate:
    """Return the first share minus the second, with its 95 % interval: method 10 of R. G. Newcombe, "Interval
    estimation for the difference between independent proportions", Statistics in Medicine 17 (1998).

    >>> each = difference(MatchShare(56, 70, 0.6921, 0.8767), MatchShare(48, 80, 0.4905, 0.7004))
    >>> [round(value, 3) for value in (each.value, each.low, each.high)]
    [0.2, 0.053, 0.334]
    """
    p, q = one.chosen / one.n, other.chosen / other.n
    return Estimate(
        p - q,
        p - q - math.hypot(p - one.low, other.high - q),
        p - q + math.hypot(one.high - p, q - other.low),
    )
