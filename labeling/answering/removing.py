"""Taking items out of the pool, and back in: excluded, or deleted with a way back for 30 days.

An item that is out is neither picked, learned from nor measured on, and no export has it unless asked. What was
answered stays. Its task in the open batch is closed like those that an early end leaves (`loop/deadlines.py`): dropped
if nobody has answered it, settled with what there is otherwise. So the batch can be completed at any moment.

Rows are locked as the queue locks them: tasks, assignments, the batch. Of a batch that is being selected nothing is
touched, for its selection counts its own tasks; `close_left_over` does it once the batch is open.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling import database
from labeling.answering import batches, closing, counting, labels
from labeling.models import Batch, Item, Project, Removal, Task, User
from labeling.models.tasks import TaskQuerySet
from labeling.statements import change_each

# Items in one transaction: others wait for its end.
CHUNK = 100
# Somebody renews a lease, or ends the batch, at the same moment; so often in a row is no accident.
TRIES = 20
PAUSE_SECONDS = 0.05
SETTLED = datetime.timedelta(minutes=1)


class RemovalError(Exception):
    """The items cannot be taken out or in now; `code` is for programs."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def remove(*, project: Project, ids: Sequence[int], user: User, reason: str = "", delete: bool = False) -> int:
    """Exclude or delete these items of the project; returns how many that changed.

    Those that are excluded already can be deleted, and not the other way round. A part of them in each transaction:
    killed at any moment and called again, it does what is left. Raises `RemovalError` if others do not let go of them.
    """
    return sum(
        _closing_tasks(_tasks_of(part), partial(_take_out, project, part, user, reason, delete))
        for part in database.in_parts(sorted(ids), CHUNK)
    )


def restore(*, project: Project, ids: Sequence[int], user: User) -> int:
    """Take these items back in, whether they were excluded or deleted; returns how many were out."""
    restored = 0
    for part in database.in_parts(sorted(ids), CHUNK):
        with transaction.atomic():
            out = list(
                project.items.excluded()
                .filter(pk__in=part)
                .select_for_update(no_key=True)
                .order_by("pk")
                .values_list("pk", flat=True)
            )
            Removal.objects.standing().filter(item__in=out).update(ended_at=timezone.now(), ended_by=user)
            restored += Item.objects.filter(pk__in=out).update(excluded_at=None, deleted_at=None)
    if restored:  # the pool may have been empty
        batches.ensure_next(project=project)
    return restored


def close_left_over() -> None:
    """Close the tasks that open batches have of items which were excluded while these were being picked."""
    for batch in Batch.objects.open().select_related("project"):
        # A little longer: a selection reads the pool before it writes, and clocks of several machines differ.
        close_excluded(batch, since=batch.created_at, until=(batch.opened_at or timezone.now()) + SETTLED)


def close_excluded(batch: Batch, *, since: datetime.datetime, until: datetime.datetime) -> None:
    """Close the open tasks that the batch has of items which were excluded in this time, while it was being picked."""
    # Looked up by the few that were excluded in that time, not by the batch's many tasks.
    late = batch.project.items.excluded().filter(excluded_at__range=(since, until))
    for part in database.in_parts(list(late.values_list("pk", flat=True)), CHUNK):
        if _tasks_of(part).filter(batch=batch, outstanding__gt=0).exists():
            close_tasks(_tasks_of(part))


def _tasks_of(ids: Sequence[int]) -> TaskQuerySet:
    return Task.objects.filter(Q(item__in=ids) | Q(repeats__in=ids))


def close_tasks(tasks: QuerySet[Task]) -> None:
    """Close those of these tasks that lack answers: with the answers that they have, or none. Raises `RemovalError`."""
    _closing_tasks(tasks, lambda: 0)


def _closing_tasks(tasks: QuerySet[Task], change: Callable[[], int]) -> int:
    """Make the change and close those of these tasks that are open, in one transaction. Returns what it does."""
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                gone, started = closing.close(tasks.filter(outstanding__gt=0, batch__state=Batch.State.OPEN))
                # Batches are counted on last of all: others who answer wait for their rows.
                with counting.labels_counted([task.item_key for task in started]):
                    closed = _by_batch(gone, started)
                    changed = change()
                    _remember(closed)
                for each in closed:
                    _settle_batch(each)
                return changed
        except closing.Moved:
            time.sleep(PAUSE_SECONDS)
    raise RemovalError("busy", "Somebody is working on these items at this moment. Try again.")


def _take_out(project: Project, ids: Sequence[int], user: User, reason: str, delete: bool) -> int:
    now = timezone.now()
    items = project.items.filter(pk__in=ids)
    items = items.filter(deleted_at__isnull=True) if delete else items.kept()
    chosen = list(items.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    Removal.objects.standing().filter(item__in=chosen).update(ended_at=now, ended_by=user)
    Removal.objects.bulk_create(
        Removal(item_id=pk, user=user, deleted=delete, reason=reason, created_at=now) for pk in chosen
    )
    removed = {"deleted_at": now} if delete else {}
    Item.objects.filter(pk__in=chosen).update(excluded_at=Coalesce("excluded_at", now), **removed)
    return len(chosen)


@dataclass(slots=True)
class _Closed:
    """`tasks` of one batch with the items they are for: how many left it, the control tasks and the further ones among
    them, and how many were settled in it.
    """

    batch: Batch
    tasks: dict[int, int]
    dropped: int
    control: int
    further: int
    settled: int


def _by_batch(gone: Sequence[Task], started: Sequence[Task]) -> list[_Closed]:
    """Settle the started ones of these closed tasks with the answers they have."""
    # Two batches may be open: the next one opens before this one is complete.
    return [
        _settled(batch, [task for task in gone if task.batch_id == batch.pk],
                 [task for task in started if task.batch_id == batch.pk])
        for batch in {task.batch_id: task.batch for task in [*gone, *started]}.values()
    ]  # fmt: skip


def _settled(batch: Batch, gone: Sequence[Task], started: Sequence[Task]) -> _Closed:
    """Settle those of a batch's closed tasks that were answered already."""
    labels.resolve(batch.project, started)
    tasks = {task.pk: task.item_key for task in [*gone, *started]}
    further = sum(task.repeats_id is not None for task in gone)
    return _Closed(batch, tasks, len(gone), sum(task.is_control for task in gone), further, len(started))


def _remember(closed: Sequence[_Closed]) -> None:
    """So that whoever answers one of these tasks late is told why it is gone."""
    change_each(
        "UPDATE labeling_removal SET closed_task = %s WHERE item_id = %s AND ended_at IS NULL",
        [pair for each in closed for pair in each.tasks.items()],
    )


def _settle_batch(closed: _Closed) -> None:
    """Count the closed tasks on their batch, and complete it if nothing is left to answer."""
    batch = Batch.objects.filter(pk=closed.batch.pk, state=Batch.State.OPEN)
    if not batch.update(
        size=F("size") - closed.dropped,
        remaining=F("remaining") - closed.dropped - closed.settled,
        dropped=F("dropped") + closed.dropped,
        control_tasks=F("control_tasks") - closed.control,
        further=F("further") - closed.further,
    ):
        raise closing.Moved  # it was ended early meanwhile, and what ended it closes these tasks too
    if batches.complete(batch_id=closed.batch.pk):
        return
    now = timezone.now()
    if batch.filter(size=0).update(state=Batch.State.DONE, completed_at=now, done_at=now):
        batches.ensure_next(project=closed.batch.project)  # there is nothing in it to train on
