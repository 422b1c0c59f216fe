"""Close open tasks before they have all answers: at an early end of their batch, or because an item was excluded."""

from collections.abc import Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling.models import Annotation, Assignment, Correction, Item, Task
from labeling.queue.assignments import TasksChanged


def close_tasks(tasks: QuerySet[Task]) -> tuple[list[Task], list[Task]]:
    """Delete the tasks without answers, and close the others: they take no more answers. A task whose answer was
    undone under a manager's correction is closed, too: the batch keeps the label. Corrections from before the answer,
    which only items that are asked again have, or from after the undo do not count: they would tell gold tasks apart.

    Return the deleted tasks and the closed ones, with their batches. The caller settles the labels of the closed tasks
    and updates the batches' counters. Raises `TasksChanged` if an annotator renews a lease at the same moment.
    """
    # Lock in the queue's order: tasks, assignments. The lock waits for submits that answer one of these tasks.
    locked = list(tasks.select_for_update(no_key=True, of=("self",)).select_related("batch__project").order_by("pk"))
    own = Task.objects.filter(pk__in=[task.pk for task in locked])
    # A claim renews leases without a lock on the tasks: to wait for its locks here could deadlock.
    pending = Assignment.objects.pending().filter(task__in=own)
    if len(pending.select_for_update(no_key=True, skip_locked=True).values_list("pk", flat=True)) < pending.count():
        raise TasksChanged
    pending.update(ended_at=timezone.now())
    corrections = Correction.objects.filter(item=Coalesce(OuterRef("task__item"), OuterRef("task__repeats")))
    between = Q(created_at__range=(OuterRef("created_at"), OuterRef("undone_at")))
    is_corrected = Exists(corrections.standing()) & Exists(corrections.filter(between))
    settled = Annotation.objects.filter(Q(undone_at__isnull=True) | is_corrected, task__in=own)
    touched = set(settled.values_list("task", flat=True))
    own.exclude(pk__in=touched).delete()
    own.update(free=0, outstanding=0)
    return [task for task in locked if task.pk not in touched], [task for task in locked if task.pk in touched]


def ask_in_next_batch(dropped: Sequence[Task]) -> None:
    """Mark the items that these dropped tasks asked again, so that the next batch asks them."""
    items = [task.repeats_id for task in dropped if task.repeats_id is not None and not task.is_gold]
    if items:
        Item.objects.kept().filter(pk__in=items).update(again_at=timezone.now())
