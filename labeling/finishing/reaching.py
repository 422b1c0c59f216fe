"""When a goal is reached: no batch follows, and all items have a label."""

import datetime

from django.db import transaction

from labeling.finishing.progress import pool_progress
from labeling.insight.pace import pace_of
from labeling.insight.status import items_of
from labeling.loop.batches import final
from labeling.models import Batch, Finish, Notice, NoticeKind, Project


def is_over(project: Project) -> bool:
    """Return whether no batch is at work, and none follows. At most two queries."""
    last = project.batches.current()
    return last is not None and last.state == Batch.State.DONE and final().filter(pk=last.pk).exists()


def look(now: datetime.datetime) -> None:
    """Store since when goals are reached, and tell of those that were not before.

    A batch may end, or a manager settle the last item, so each goal is looked at whose project has no item left for a
    batch. A reached goal is open again once there are items to label.
    """
    running = Finish.objects.filter(running=True, project__in=Project.objects.kept().filter(archived_at=None))
    running.filter(project__nothing_left_at=None).exclude(reached_at=None).update(reached_at=None)
    over = running.filter(reached_at=None, project__nothing_left_at__isnull=False)
    for finish in over.select_related("project"):
        project = finish.project
        if is_over(project) and not pool_progress(project, items_of(project), pace_of(project, now)).left:
            _tell(finish, now)


@transaction.atomic
def _tell(finish: Finish, now: datetime.datetime) -> None:
    """Store that the goal is reached, and the notices, if another worker has not."""
    if Finish.objects.filter(pk=finish.pk, running=True, reached_at=None).update(reached_at=now):
        Notice.objects.tell_members(NoticeKind.GOAL_REACHED, finish.project, about=now.isoformat())
