"""Measure the time per answer, for estimates of hours and costs."""

import datetime
import statistics
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q

from labeling.models import Annotation, Batch, Membership, Project, User, WorkLog
from labeling.models.project_settings import MIN_READY

# The tasks of each of the newest batches whose answers are read.
SAMPLE = 1000
# The least number of answers for a figure.
ENOUGH = 5
# The seconds for an answer where too few are measured.
ASSUMED_SECONDS = 5.0
# The newest answers of a person that tell the person's pace.
OWN_SAMPLE = 50
RECENT = datetime.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of a project's annotators.

    `seconds`: the median time per answer over the newest `answers`; None with fewer than `ENOUGH` answers.
    `annotators`: the members who may get tasks; `active`: the annotators with an answer in the last seven days.
    """

    seconds: float | None
    answers: int
    active: int
    annotators: int

    @property
    def estimate(self) -> float:
        """The median time per answer, or an assumed one."""
        return ASSUMED_SECONDS if self.seconds is None else self.seconds


def pace_of(project: Project, now: datetime.datetime) -> Pace:
    """Return the project's pace. Takes three queries, which read at most `SAMPLE` tasks of each of two batches."""
    seconds = list(_newest_answers(project))
    annotators = Membership.objects.annotators().filter(project=project)
    work = WorkLog.objects.by_people(project)
    answered = work.filter(user=OuterRef("user"), answers__gt=0, last_at__gte=now - RECENT)
    known = list(annotators.values_list(Exists(answered), flat=True))
    return Pace(
        seconds=statistics.median(seconds) if len(seconds) >= ENOUGH else None,
        answers=len(seconds),
        active=sum(known),
        annotators=len(known),
    )


def own_seconds(project: Project, user: User) -> float:
    """Return the median time of the user's newest answers in the project; `ASSUMED_SECONDS` for few. One query."""
    newest = Annotation.objects.by_people().filter(user=user).order_by("-created_at")[:OWN_SAMPLE]
    seconds = [spent for spent, of in newest.values_list("seconds", "task__batch__project") if of == project.pk]
    return statistics.median(seconds) if len(seconds) >= ENOUGH else ASSUMED_SECONDS


def items_ready(kept_ready: int, *, lease: float, seconds: float) -> int:
    """Return how many items a page keeps ready: what a person can answer within the lease (s), at least `MIN_READY`."""
    return max(MIN_READY, min(kept_ready, int(lease / seconds) if seconds else kept_ready))


def _newest_answers(project: Project) -> list[float]:
    """Return the seconds of the newest answers.

    Tasks are served by rank, so about the first `size - remaining` tasks have answers, the last of them the newest.
    """
    batches = project.batches.to_people().filter(size__gt=0).order_by("-number")
    newest = batches.only("project", "size", "remaining")[:2]
    queries = [_newest_tasks(batch) for batch in newest]
    if not queries:
        return []
    tasks = queries[0] if len(queries) == 1 else queries[0] | queries[1]
    return list(Annotation.objects.by_people().filter(tasks).values_list("seconds", flat=True))


def _newest_tasks(batch: Batch) -> Q:
    answered = batch.size - batch.remaining
    return Q(task__batch=batch, task__rank__gte=answered - SAMPLE, task__rank__lt=max(answered, SAMPLE))
