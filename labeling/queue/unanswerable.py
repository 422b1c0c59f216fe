"""Close tasks that wait for one more answer which no member at work can give, so that they do not hold up their batch.

The further assignment stays open while any task of the batch lacks its first answers, or a member who may take it has
worked within `ABSENT_AFTER`. Then the task is settled with the answers that it has; a tie waits for a review.
"""

from __future__ import annotations

import datetime
import logging
from typing import Any

from django.db.models import QuerySet

from labeling.labels import rechecking
from labeling.models import Assignment, Batch, Project, Task, WorkLog
from labeling.queue import removing
from labeling.queue.removing import RemovalError
from labeling.storage.db.long_writes import in_parts

logger = logging.getLogger(__name__)

ABSENT_AFTER = datetime.timedelta(minutes=10)
CHUNK = 100


def close_unanswerable(now: datetime.datetime) -> int:
    """Close the tasks of open batches whose missing answer no member at work can give. Return the number of tasks."""
    closed = 0
    at_work = Project.objects.filter(archived_at=None, deleted_at=None).exclude(loop=Project.Loop.PAUSED)
    batches = Batch.objects.open().filter(overlap_max__isnull=False, project__in=at_work)
    for batch in batches.select_related("project"):
        tasks = Task.objects.filter(batch=batch)
        if tasks.lacking_first().exists():
            continue
        for part in in_parts(_unanswerable(batch, now), CHUNK):
            waiting = tasks.filter(pk__in=part).exclude(pk__in=_held(now))  # check again: a member may have claimed one
            try:
                closed += removing.close_tasks(waiting)
            except RemovalError as error:
                logger.info("%s: tasks that no member is left to answer stay for now. %s", batch, error)
    return closed


def _unanswerable(batch: Batch, now: datetime.datetime) -> list[int]:
    """Return the ids of tasks that lack answers, have no running lease, and were answered by every member at work who
    may be asked.
    """
    since = now - max(ABSENT_AFTER, datetime.timedelta(seconds=batch.project.lease_seconds))
    at_work = rechecking.members_at_work(batch.project)[1] & _seen(batch.project, since)
    waiting = Task.objects.filter(batch=batch).unanswered().exclude(pk__in=_held(now))
    keys = list(waiting.values_list("pk", flat=True))
    answers = rechecking.answers_and_skips(keys)
    return [key for key in keys if at_work <= {each.user for each in answers[key]}]


def _held(now: datetime.datetime) -> QuerySet[Assignment, Any]:
    return Assignment.objects.pending().filter(lease_expires_at__gt=now).values("task")


def _seen(project: Project, since: datetime.datetime) -> set[int]:
    """Return the ids of users who have answered or claimed tasks since then."""
    worked = WorkLog.objects.filter(batch__project=project, last_at__gte=since)
    claimed = Assignment.objects.filter(claimed_at__gte=since, task__batch__in=project.batches.active())
    return {*worked.values_list("user", flat=True), *claimed.values_list("user", flat=True)}
