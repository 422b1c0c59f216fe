"""Exclude and delete items, restore them, or ask to erase them. A deleted item can be restored for 30 days, unless it
is being erased.

The loop neither picks an excluded item, trains on it nor measures with it; exports leave it out by default. Its answers
stay. Its task in the open batch is closed as at an early end of the batch (`deadlines.py`): a task without answers
is dropped, a task with answers is settled with them. So the batch can be completed at any moment.

Rows are locked in the queue's order: tasks, assignments, the batch. Tasks of a batch in selection stay as they are,
because the selection counts its own tasks; `close_left_over` closes them once the batch is open.
"""

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext

from labeling.labels import counting, item_labels
from labeling.loop import batches
from labeling.loop.table import BatchEvent
from labeling.models import Batch, Item, Project, Removal, Task, User
from labeling.models.items import ItemQuerySet
from labeling.models.refusals import Refused
from labeling.models.tasks import TaskQuerySet
from labeling.queue import closing
from labeling.queue.assignments import TasksChanged
from labeling.storage.db.long_writes import in_parts
from labeling.storage.db.statements import change_each

# Items per transaction: other writers wait for its end.
CHUNK = 100
# Tries while other requests renew leases or end the batch at the same moment.
TRIES = 20
PAUSE_SECONDS = 0.05
SETTLED = datetime.timedelta(minutes=1)


class RemovalError(Refused):
    """The items cannot be removed or restored now."""


def remove_items(
    *,
    project: Project,
    ids: Sequence[int],
    user: User,
    reason: str = "",
    delete: bool = False,
    at_once: bool = False,
) -> int:
    """Exclude these items of the project, or delete them. Return the number of items that this changed.

    Excluded items can be deleted; deleted items cannot be excluded. `at_once`: also delete items, deleted or not, for
    good (`projects/erasing_items.py`). Each transaction changes `CHUNK` items, so a second call after an interruption
    changes the remaining ones. Raises `RemovalError` if other requests change the items' tasks during all `TRIES`
    tries.
    """
    facts = Removal(user=user, reason=reason, deleted=delete or at_once, at_once=at_once)
    return sum(
        close_open_tasks(_tasks_of(part), partial(_take_out, project, part, facts))
        for part in in_parts(sorted(ids), CHUNK)
    )


def restore_items(*, project: Project, ids: Sequence[int], user: User) -> int:
    """Restore these items, excluded or deleted, but for those that are being erased. Return the number of items that
    were excluded or deleted.
    """
    restored = 0
    for part in in_parts(sorted(ids), CHUNK):
        with transaction.atomic():
            out = list(
                project.items.excluded()
                .not_being_erased()
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
    """Close the tasks of open batches whose items were excluded during the batch's selection. Complete the batches in
    which a killed erasure has left nothing to answer.
    """
    for batch in Batch.objects.on_offer().filter(remaining=0):
        settle_batch(batch)
    for batch in Batch.objects.open().select_related("project"):
        # A minute longer, because the selection reads the pool before it writes and the machines' clocks differ.
        close_excluded(batch, since=batch.created_at, until=(batch.opened_at or timezone.now()) + SETTLED)


def close_excluded(batch: Batch, *, since: datetime.datetime, until: datetime.datetime) -> None:
    """Close the batch's open tasks whose items were excluded between `since` and `until`."""
    # Start from the few excluded items, not from the batch's many tasks.
    late = batch.project.items.excluded().filter(excluded_at__range=(since, until))
    for part in in_parts(list(late.values_list("pk", flat=True)), CHUNK):
        if _tasks_of(part).filter(batch=batch, outstanding__gt=0).exists():
            close_open_tasks(_tasks_of(part))


def _tasks_of(ids: Sequence[int]) -> TaskQuerySet:
    return Task.objects.filter(Q(item__in=ids) | Q(repeats__in=ids))


def close_open_tasks(tasks: QuerySet[Task], change: Callable[[], int] | None = None) -> int:
    """Call `change` and close the open ones of these tasks, in one transaction. Return the result of `change`, or else
    the number of closed tasks.

    Raises `RemovalError` if other requests change the tasks during all `TRIES` tries.
    """
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                dropped, settled = closing.close_tasks(tasks.filter(outstanding__gt=0, batch__state=Batch.State.OPEN))
                closed = _by_batch(dropped, settled)
                with counting.label_changes([task.item_key for task in settled]) as labeled:
                    for each in closed.values():
                        item_labels.resolve(each.batch.project, each.settled)
                    changed = len(dropped) + len(settled) if change is None else change()
                    _remember([*dropped, *settled])
                # Last, because submits wait for these rows; all of them before the project, as `batches.lock` says.
                _count(closed, labeled)
                for each in closed.values():
                    settle_batch(each.batch)
                return changed
        except TasksChanged:
            time.sleep(PAUSE_SECONDS)
    raise RemovalError("busy", gettext("These items are being changed at this moment. Try again."))


def _take_out(project: Project, ids: Sequence[int], facts: Removal) -> int:
    """Exclude or delete those of these items that are not yet, as `facts` says, and store a removal of each. Return
    their number.
    """
    now = timezone.now()
    items: ItemQuerySet = project.items.filter(pk__in=ids)
    if facts.at_once:
        items = items.not_being_erased()
    else:
        items = items.filter(deleted_at__isnull=True) if facts.deleted else items.kept()
    chosen = list(items.select_for_update(no_key=True, of=("self",)).order_by("pk").values_list("pk", flat=True))
    Removal.objects.standing().filter(item__in=chosen).update(ended_at=now, ended_by=facts.user)
    values = {name: getattr(facts, name) for name in ("user", "reason", "deleted", "at_once")}
    Removal.objects.bulk_create(Removal(item_id=pk, created_at=now, **values) for pk in chosen)
    removed = {"deleted_at": Coalesce("deleted_at", now)} if facts.deleted else {}
    Item.objects.filter(pk__in=chosen).update(excluded_at=Coalesce("excluded_at", now), **removed)
    return len(chosen)


@dataclass(slots=True)
class _Closed:
    """The closed tasks of one batch: those without an answer were dropped, the others settled with their answers."""

    batch: Batch
    dropped: list[Task] = field(default_factory=list)
    settled: list[Task] = field(default_factory=list)


def _by_batch(dropped: Sequence[Task], settled: Sequence[Task]) -> dict[int, _Closed]:
    """Group the closed tasks by the id of their batch: the next batch opens before this one is complete."""
    closed: dict[int, _Closed] = {}
    for task in dropped:
        closed.setdefault(task.batch_id, _Closed(task.batch)).dropped.append(task)
    for task in settled:
        closed.setdefault(task.batch_id, _Closed(task.batch)).settled.append(task)
    return closed


def _remember(closed: Sequence[Task]) -> None:
    """Store the closed tasks on their items' removals, so that a late answer is refused with the right reason."""
    change_each(
        "UPDATE labeling_removal SET closed_task = %s WHERE item_id = %s AND ended_at IS NULL",
        [(task.pk, task.item_key) for task in closed],
    )


def _count(closed: Mapping[int, _Closed], labeled: Mapping[int, int]) -> None:
    """Count the closed tasks, and the labels that items gained or lost, on their batches, both by batch id."""
    for pk in sorted(closed.keys() | labeled.keys()):
        batch = Batch.objects.filter(pk=pk)
        if pk not in closed:
            batch.update(labeled=F("labeled") + labeled[pk])
            continue
        dropped, settled = closed[pk].dropped, closed[pk].settled
        if not batch.filter(state=Batch.State.OPEN).update(
            size=F("size") - len(dropped),
            remaining=F("remaining") - len(dropped) - len(settled),
            dropped=F("dropped") + len(dropped),
            control_tasks=F("control_tasks") - sum(task.is_control for task in dropped),
            further=F("further") - sum(task.repeats_id is not None for task in dropped),
            labeled=F("labeled") + labeled.get(pk, 0),
        ):
            raise TasksChanged  # the batch ended early meanwhile, which also closes these tasks


def settle_batch(batch: Batch) -> None:
    """Complete the batch, which is open or ready, if nothing is left to answer."""
    with suppress(batches.BatchError):
        batches.advance(batch, BatchEvent.ANSWERED)
