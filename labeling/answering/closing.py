"""Closing tasks that nobody is to answer any more: at an early end of their batch, or because an item was taken out."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet
from django.utils import timezone

from labeling.models import Annotation, Assignment, Item, Task


class Moved(Exception):
    """What was read has changed before it was locked: the transaction is to be rolled back and tried again."""


def close(tasks: QuerySet[Task]) -> tuple[list[Task], list[Task]]:
    """Drop those of these tasks that nobody has answered; no more answers come to the others.

    Returns both, with their batches. The labels of the others are to be settled, and the batches' counters changed, by
    the caller. Raises `Moved` if somebody renews a lease at this moment.
    """
    # Locked in the queue's order: tasks, assignments. Whoever is answering one of these finishes first.
    locked = list(tasks.select_for_update(no_key=True, of=("self",)).select_related("batch__project").order_by("pk"))
    own = Task.objects.filter(pk__in=[task.pk for task in locked])
    # Somebody who asks for tasks renews leases without a lock on their tasks: waiting for those could go round in a
    # circle.
    pending = Assignment.objects.pending().filter(task__in=own)
    if len(pending.select_for_update(no_key=True, skip_locked=True).values_list("pk", flat=True)) < pending.count():
        raise Moved
    pending.update(ended_at=timezone.now())
    touched = set(Annotation.objects.standing().filter(task__in=own).values_list("task", flat=True))
    own.exclude(pk__in=touched).delete()
    own.update(free=0, outstanding=0)
    return [task for task in locked if task.pk not in touched], [task for task in locked if task.pk in touched]


def ask_again(gone: Sequence[Task]) -> None:
    """Let the items of dropped tasks that asked them again wait for the next batch."""
    items = [task.repeats_id for task in gone if task.repeats_id is not None and not task.is_gold]
    if items:
        Item.objects.kept().filter(pk__in=items).update(again_at=timezone.now())
