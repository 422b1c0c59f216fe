"""Ending a batch before its last answer, at its deadline or at a manager's word: the loop goes on with what there is.

Tasks that nobody has answered leave the batch, and their items go back to the pool. Tasks with some of their answers
are settled with those.
"""

from __future__ import annotations

import datetime
import logging
import math
import time

from django.db import transaction
from django.db.models import Exists, OuterRef, Sum
from django.utils import timezone

from labeling.answering import batches, queue
from labeling.answering.batches import BatchError
from labeling.models import Annotation, Assignment, Batch, Task
from labeling.models.batches import TaskQuerySet

logger = logging.getLogger(__name__)

# Answers that arrive at the same moment make an end start over; so often in a row is no accident.
TRIES = 20
PAUSE_SECONDS = 0.05
# Tasks that are held in memory at once: a batch may have a million, and a page may ask for its end.
CHUNK = 1000


class _Moved(Exception):
    """The batch changed between reading its tasks and closing it."""


def has_enough(batch: Batch) -> bool:
    """Whether the deadline may end the batch: the share of its answers that it needs has been given, and at least one.

    With several answers a task, answers count, not finished tasks: people who are missing leave every task unfinished.
    """
    wanted = batch.size * batch.overlap
    given = wanted - (Task.objects.filter(batch=batch).aggregate(n=Sum("outstanding"))["n"] or 0)
    share = 1.0 if batch.complete_share is None else batch.complete_share
    # Rounded first: 0.7 of 10 is 7, whatever floating point makes of it.
    return given >= max(1, math.ceil(round(share * wanted, 6)))


def end_overdue(now: datetime.datetime) -> int:
    """End every open batch whose deadline is over and that has enough answers. Returns how many were ended."""
    ended = 0
    for batch in Batch.objects.overdue(now):
        if not has_enough(batch):
            continue
        try:
            dropped = end_early(batch=batch)
        except BatchError as error:  # completed, or changed hands, meanwhile
            logger.info("%s was not ended at its deadline: %s", batch, error)
        else:
            logger.info("%s ended at its deadline, %d tasks left unanswered.", batch, dropped)
            ended += 1
    return ended


def end_early(*, batch: Batch) -> int:
    """Close an open batch with the answers that it has, and enqueue its training. Returns the number of tasks dropped.

    Raises `BatchError` if the batch is not open or nothing in it is answered.
    """
    for _ in range(TRIES):
        try:
            return _end(batch)
        except _Moved:
            time.sleep(PAUSE_SECONDS)
    raise BatchError(f"Answers to batch {batch.number} are arriving at this moment. Try again.")


@transaction.atomic
def _end(batch: Batch) -> int:
    # Locked in the queue's order: tasks, assignments, batch. Whoever is answering one of these finishes first.
    unfinished = Task.objects.filter(batch=batch).unanswered()
    locked = list(unfinished.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    current = Batch.objects.get(pk=batch.pk)
    if current.state != Batch.State.OPEN:
        raise BatchError(f"Batch {batch.number} is not open: it is {current.state}.")
    dropped = unfinished.exclude(_touched()).count()
    if dropped == current.size:
        raise BatchError(f"Nothing in batch {batch.number} is answered yet: there is nothing to train on.")
    # Somebody who asks for tasks renews leases without a lock on their tasks: waiting for those could go round in a
    # circle, so that what is just being renewed makes this start over.
    pending = Assignment.objects.pending().filter(task__batch=batch)
    idle = list(pending.select_for_update(skip_locked=True).values_list("pk", flat=True))
    if len(idle) < pending.count():
        raise _Moved
    pending.update(ended_at=timezone.now())
    for start in range(0, len(locked), CHUNK):
        piece = locked[start : start + CHUNK]
        _let_go(unfinished.filter(pk__range=(piece[0], piece[-1])))
    # Were tasks answered or taken back since they were read, the count tells, and all of this is undone.
    if not Batch.objects.filter(pk=batch.pk, state=Batch.State.OPEN, remaining=len(locked)).update(
        remaining=0,
        size=current.size - dropped,
        dropped=dropped,
        control_tasks=Task.objects.filter(batch=batch, is_control=True).count(),
    ):
        raise _Moved
    if not batches.complete(batch_id=batch.pk):
        raise _Moved
    return dropped


def _let_go(tasks: TaskQuerySet) -> None:
    """Drop those of these locked tasks that nobody has answered, and settle the others with the answers they have."""
    tasks.exclude(_touched()).delete()
    started = list(tasks.select_related("item"))
    tasks.update(free=0, outstanding=0)
    queue.resolve_labels(started)


def _touched() -> Exists:
    return Exists(Annotation.objects.standing().filter(task=OuterRef("pk")))
