"""Whether people lean towards the predictions that they are shown: answers with one in view beside answers without.

Chance picks the tasks that show one (docs/decisions/0023-nothing-tells-a-control-task.md), so all else is alike.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.db.models import Max, Sum

from labeling.answering.prompting import SUGGESTED
from labeling.insight.bootstrap import Estimate
from labeling.insight.certainty import ENOUGH, interval
from labeling.models import Annotation, Project, WorkLog
from labeling.models.tasks import PromptedBy

SAMPLE = 20_000
"""The newest so many answers are read."""


@dataclass(frozen=True, slots=True)
class Share:
    """`chosen` of `n` tasks, with the ends of the 95 % interval."""

    chosen: int
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Chosen:
    """How often people chose what the model predicts: with it in view, and without. `difference`: of the two shares."""

    prompted: Share
    unprompted: Share
    difference: Estimate


@dataclass(frozen=True, slots=True)
class Anchoring:
    """`first`: the model's first choice; `listed`: one of the classes that are suggested, where several are. Each None
    below `ENOUGH` tasks on either side.
    """

    first: Chosen | None
    listed: Chosen | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the figures follow from: the same facts, the same figures."""

    project: Project = field(compare=False)
    key: int
    merged: str
    batches: tuple[tuple[int, int, datetime.datetime], ...]


def anchoring_of(project: Project) -> Anchoring | None:
    """None where no predictions are shown. One query, and another when answers have come in since."""
    if not project.show_predictions:
        return None
    rows = WorkLog.objects.filter(batch__project=project, batch__selected_by__isnull=False)
    batches = rows.values_list("batch").annotate(n=Sum("answers"), last=Max("last_at")).order_by("-batch__number")
    newest, answers = [], 0
    for batch, n, last in batches:
        newest.append((batch, n, last))
        answers += n
        if answers >= SAMPLE:
            break
    return _measure(Facts(project, project.pk, str(project.merged), tuple(newest)))


@lru_cache(maxsize=16)
def _measure(facts: Facts) -> Anchoring:
    project, first, listed = facts.project, _Tally(), _Tally()
    counted = project.asks.counted
    for value, predicted, likely, is_prompted in _answers(facts):
        answered = set(counted(value))
        best = project.follow(project.asks.as_answer(predicted))
        first.add(answered & set(counted(best)), is_prompted)
        if likely:
            classes = [predicted, *map(int, likely.split())]
            shown = list(dict.fromkeys(project.merges.get(index, index) for index in classes))[:SUGGESTED]
            listed.add(answered & set(shown), is_prompted)
    return Anchoring(first.result(), listed.result())


def _answers(facts: Facts) -> list[tuple[Any, int, str, bool]]:
    """(answer, first choice, likely classes, whether they were in view), of each task its first answer in the sample.

    Of the batches where predictions were shown. Items that came with a suggestion of their own show that one.
    """
    answers = Annotation.objects.answers().filter(
        task__batch__in=[batch for batch, *_ in facts.batches],
        task__item__isnull=False,
        task__item__suggestion__isnull=True,
    )
    rows = answers.order_by("-pk").values_list(
        "task", "task__batch", "value", "task__predicted", "task__likely", "task__prompted", "task__prompted_by"
    )[:SAMPLE]
    tasks = {row[0]: row[1:] for row in rows}
    shown = {batch for batch, *_, by in tasks.values() if by == PromptedBy.MODEL}
    return [
        (facts.project.follow(value), predicted, likely, is_prompted)
        for batch, value, predicted, likely, is_prompted, by in tasks.values()
        if predicted is not None and batch in shown and (by == PromptedBy.MODEL or not is_prompted)
    ]


class _Tally:
    def __init__(self) -> None:
        self._n = {True: 0, False: 0}
        self._chosen = {True: 0, False: 0}

    def add(self, chosen: Any, is_prompted: bool) -> None:
        self._n[is_prompted] += 1
        self._chosen[is_prompted] += bool(chosen)

    def result(self) -> Chosen | None:
        if min(self._n.values()) < ENOUGH:
            return None
        prompted, unprompted = (
            Share(self._chosen[side], self._n[side], *interval(self._chosen[side], self._n[side]))
            for side in (True, False)
        )
        return Chosen(prompted, unprompted, difference(prompted, unprompted))


def difference(one: Share, other: Share) -> Estimate:
    """The first share less the second, with its 95 % interval: method 10 of R. G. Newcombe, "Interval estimation for
    the difference between independent proportions", Statistics in Medicine 17 (1998).

    >>> each = difference(Share(56, 70, 0.6921, 0.8767), Share(48, 80, 0.4905, 0.7004))
    >>> [round(value, 3) for value in (each.value, each.low, each.high)]
    [0.2, 0.053, 0.334]
    """
    p, q = one.chosen / one.n, other.chosen / other.n
    return Estimate(
        p - q,
        p - q - math.hypot(p - one.low, other.high - q),
        p - q + math.hypot(one.high - p, q - other.low),
    )
