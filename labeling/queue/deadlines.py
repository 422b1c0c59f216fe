"""End a batch before its last answer, at its deadline or at a manager's request, so that the loop goes on.

Tasks without answers leave the batch, and their items return to the pool. Tasks with some of their answers are settled
with those. The end itself is one small transaction. The training step that it enqueues then clears up to a million
tasks, in parts.
"""

import datetime
import logging
import time
from array import array
from collections.abc import Callable
from contextlib import AbstractContextManager

from django.db import transaction
from django.db.models import Count, F, Q, Sum
from django.utils.translation import gettext

from labeling.labels import counting, item_labels
from labeling.loop import batches
from labeling.loop.batches import BatchError
from labeling.loop.table import BatchEvent
from labeling.models import Annotation, Batch, LogKind, Project, Task
from labeling.models.batches import answers_needed
from labeling.models.tasks import TaskQuerySet
from labeling.observing import auditlog
from labeling.queue import closing
from labeling.queue.assignments import TasksChanged
from labeling.storage.db.long_writes import in_parts

logger = logging.getLogger(__name__)

# Tries of an end that conflicts with undos at the same moment.
TRIES = 20
PAUSE_SECONDS = 0.05
# Tasks per transaction: other writers wait for its end.
CHUNK = 200


def has_enough(batch: Batch) -> bool:
    """Return whether the batch has enough answers to end at its deadline (`answers_needed`)."""
    lacking = Task.objects.filter(batch=batch).lacking_first()
    outstanding = lacking.aggregate(n=Sum(F("outstanding") - F("extra")))["n"] or 0
    answers = batch.size * batch.overlap - outstanding
    return answers >= answers_needed(batch.size, batch.overlap, batch.complete_share)


def end_overdue(now: datetime.datetime) -> int:
    """End every open batch that is past its deadline and has enough answers. Return the number of ended batches."""
    ended = 0
    for batch in Batch.objects.overdue(now):
        if not has_enough(batch):
            continue
        try:
            dropped = end_early(batch=batch)
        except BatchError as error:  # an annotator completed it meanwhile, or another worker ended it
            logger.info("%s was not ended at its deadline: %s", batch, error)
        else:
            logger.info("%s ended at its deadline, %d tasks left unanswered.", batch, dropped)
            ended += 1
    return ended


def end_early(*, batch: Batch) -> int:
    """Close an open batch with the answers that it has, and enqueue its training. Return the number of dropped tasks.

    From then on, annotators can neither claim nor answer its tasks; `clear_unanswered` deletes or settles the tasks
    later. Raises `BatchError` if the batch is not open or has no answer.
    """
    for _ in range(TRIES):
        given = Annotation.objects.deciding(with_skips=True).filter(task__batch=batch).order_by()
        answer = next(iter(given.values_list("pk", flat=True)[:1]), None)
        tasks = Task.objects.filter(batch=batch)
        # Count before the lock. `clear_unanswered` corrects the counts for answers that arrive in between.
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
                    raise BatchError(
                        gettext("Batch %(number)s is not open: it is %(state)s.")
                        % {"number": batch.number, "state": gettext(batch.state)}
                    )
                if answer is None:
                    raise BatchError(
                        gettext("Nothing in batch %(number)s is answered yet: there is nothing to train on.")
                        % {"number": batch.number}
                    )
                # An undo updates the batch first, so from here on no undo can remove the answer.
                if not Annotation.objects.standing().filter(pk=answer).exists():
                    raise TasksChanged
                batches.advance(batch, BatchEvent.ANSWERED)
                auditlog.record(LogKind.BATCH_ENDED, project=batch.project, subject=f"batch {batch.number}")
        except TasksChanged:
            time.sleep(PAUSE_SECONDS)
        else:
            batch.refresh_from_db()
            return batch.dropped
    raise BatchError(
        gettext("Answers to batch %(number)s are being taken back at this moment. Try again.")
        % {"number": batch.number}
    )


def clear_unanswered(*, batch: Batch, writing: Callable[[], AbstractContextManager[None]] = transaction.atomic) -> None:
    """Delete or settle the tasks that lacked answers when their batch ended early, and correct the batch's counts.

    `writing` opens a transaction for each `CHUNK` tasks, so a second call after an interruption clears the remaining
    tasks. Nothing happens if the batch has all its answers.
    """
    unfinished = Task.objects.filter(batch=batch).unanswered()
    keys = array("q", unfinished.order_by("pk").values_list("pk", flat=True).iterator())
    if not keys:
        return
    for part in in_parts(keys, CHUNK):
        while True:
            try:
                with writing():
                    _settle_tasks(batch.project, unfinished.filter(pk__range=(part[0], part[-1])))
                break
            except TasksChanged:
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


def _settle_tasks(project: Project, tasks: TaskQuerySet) -> None:
    """Delete the tasks without answers, and settle the others with the answers they have."""
    gone, started = closing.close_tasks(tasks)
    closing.ask_in_next_batch(gone)
    with counting.labels_counted([task.item_key for task in started]):
        item_labels.resolve(project, started)
