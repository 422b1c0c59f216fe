"""Measure the time per answer, for estimates of hours and costs."""

from __future__ import annotations

import datetime
import statistics
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q

from labeling.models import Ability, Annotation, Batch, Project, WorkLog
from labeling.models.batches import IMPORTED

# The tasks of each of the newest batches whose answers are read.
SAMPLE = 1000
# The least number of answers for a figure.
ENOUGH = 5
RECENT = datetime.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of a project's annotators.

    `seconds`: the median time per answer over the newest `answers`; None with fewer than `ENOUGH` answers.
    `annotators`: the members who may label; `active`: those of them who have answered in the last seven days.
    """

    seconds: float | None
    answers: int
    active: int
    annotators: int


def pace_of(project: Project, now: datetime.datetime) -> Pace:
    """Return the project's pace. Takes three queries, which read at most `SAMPLE` tasks of each of two batches."""
    seconds = list(_newest_answers(project))
    annotators = project.memberships.who_can(Ability.TASKS_ANSWER)
    answered = WorkLog.objects.filter(
        user=OuterRef("user"), batch__project=project, answers__gt=0, last_at__gte=now - RECENT
    )
    known = list(annotators.values_list(Exists(answered), flat=True))
    return Pace(
        seconds=statistics.median(seconds) if len(seconds) >= ENOUGH else None,
        answers=len(seconds),
        active=sum(known),
        annotators=len(known),
    )


def _newest_answers(project: Project) -> list[float]:
    """Return the seconds of the newest answers.

    Tasks are served by rank, so about the first `size - remaining` tasks have answers, the last of them the newest.
    """
    newest = (
        project.batches.filter(size__gt=0)
        .exclude(strategy=IMPORTED)
        .order_by("-number")
        .only("project", "size", "remaining")[:2]
    )
    queries = [_newest_tasks(batch) for batch in newest]
    if not queries:
        return []
    tasks = queries[0] if len(queries) == 1 else queries[0] | queries[1]
    return list(Annotation.objects.answers().filter(tasks).values_list("seconds", flat=True))


def _newest_tasks(batch: Batch) -> Q:
    answered = batch.size - batch.remaining
    return Q(task__batch=batch, task__rank__gte=answered - SAMPLE, task__rank__lt=max(answered, SAMPLE))
