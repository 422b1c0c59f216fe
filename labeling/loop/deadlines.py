"""Ending a batch before its last answer, at its deadline or at a manager's word: the loop goes on with what there is.

Tasks that nobody has answered leave the batch, and their items go back to the pool. Tasks with some of their answers
are settled with those. The end itself is one small change, seen by everybody at once; what follows for up to a million
tasks is done in parts, by the training that it enqueues.
"""

from __future__ import annotations

import datetime
import logging
import time
from array import array
from collections.abc import Callable
from contextlib import AbstractContextManager

from django.db import transaction
from django.db.models import Count, F, Q, Sum

from labeling import database
from labeling.answering import batches, closing, counting, labels
from labeling.answering.batches import BatchError
from labeling.models import Annotation, Batch, Project, Task
from labeling.models.batches import answers_needed
from labeling.models.tasks import TaskQuerySet

logger = logging.getLogger(__name__)

# An answer that is taken back at the same moment makes an end start over; so often in a row is no accident.
TRIES = 20
PAUSE_SECONDS = 0.05
# Tasks that are let go in one transaction: others wait for its end.
CHUNK = 200


def has_enough(batch: Batch) -> bool:
    """Whether the deadline may end the batch: the share of its answers that it needs is there, and at least one."""
    lacking = Task.objects.filter(batch=batch).lacking_first()
    outstanding = lacking.aggregate(n=Sum(F("outstanding") - F("extra")))["n"] or 0
    answers = batch.size * batch.overlap - outstanding
    return answers >= answers_needed(batch.size, batch.overlap, batch.complete_share)


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

    From now on nobody is given one of its tasks or can answer one; `clear` does the rest. Raises `BatchError` if the
    batch is not open or nothing in it is answered.
    """
    for _ in range(TRIES):
        standing = Annotation.objects.standing().filter(task__batch=batch).order_by().values_list("pk", flat=True)
        answer = next(iter(standing[:1]), None)
        tasks = Task.objects.filter(batch=batch)
        # Counted before anything is locked. What is answered at this very moment is counted by `clear`.
        every = batch.overlap + F("extra")
        untouched = F("remaining") if batch.takes_one_answer else tasks.filter(outstanding=every).count()
        control = tasks.filter(is_control=True, outstanding__lt=every).count()
        try:
            with transaction.atomic():
                closed = Batch.objects.filter(pk=batch.pk, state=Batch.State.OPEN).update(
                    size=F("size") - untouched, dropped=untouched, remaining=0, control_tasks=control
                )
                if not closed:
                    batch.refresh_from_db()
                    raise BatchError(f"Batch {batch.number} is not open: it is {batch.state}.")
                if answer is None:
                    raise BatchError(f"Nothing in batch {batch.number} is answered yet: there is nothing to train on.")
                # Taking an answer back changes the batch too: none is taken back from here on.
                if not Annotation.objects.standing().filter(pk=answer).exists():
                    raise closing.Moved
                batches.complete(batch_id=batch.pk)
        except closing.Moved:
            time.sleep(PAUSE_SECONDS)
        else:
            batch.refresh_from_db()
            return batch.dropped
    raise BatchError(f"Answers to batch {batch.number} are being taken back at this moment. Try again.")


def clear(*, batch: Batch, writing: Callable[[], AbstractContextManager[None]] = transaction.atomic) -> None:
    """Let go of the tasks that an early end left unanswered, a part in each transaction that `writing` begins.

    Killed at any moment and called again, it does what is left. Nothing to do for a batch that was answered to its end.
    """
    unfinished = Task.objects.filter(batch=batch).unanswered()
    keys = array("q", unfinished.order_by("pk").values_list("pk", flat=True).iterator())
    if not keys:
        return
    for part in database.in_parts(keys, CHUNK):
        while True:
            try:
                with writing():
                    _let_go(batch.project, unfinished.filter(pk__range=(part[0], part[-1])))
                break
            except closing.Moved:
                time.sleep(PAUSE_SECONDS)
    counts = Task.objects.filter(batch=batch).aggregate(
        all=Count("pk"), control=Count("pk", filter=Q(is_control=True)), further=Count("repeats")
    )
    with writing():
        Batch.objects.filter(pk=batch.pk).update(
            dropped=F("size") + F("dropped") - counts["all"],
            size=counts["all"],
            control_tasks=counts["control"],
            further=counts["further"],
        )


def _let_go(project: Project, tasks: TaskQuerySet) -> None:
    """Drop those of these tasks that nobody has answered, and settle the others with the answers they have."""
    gone, started = closing.close(tasks)
    closing.ask_again(gone)
    with counting.labels_counted([task.item_key for task in started]):
        labels.resolve(project, started)
