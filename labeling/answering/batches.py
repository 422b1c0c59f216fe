"""A batch's states, and what each change sets going.

    selecting → (ready →) open → training → done        and from selecting and training: failed → (retry) → where it was

The next batch is picked ahead, while this one is still being answered, unless the project waits for the newest model.
Then it is `ready` until this one has no task left to give. When this one's model comes, what nobody holds of the next
is picked again.

    importing → training → done        where items come with their labels: nobody is asked, so such a batch never opens

Each function is one transaction (or joins its caller's). A change of state is a conditional update whose row count
decides who made it; the next background step is enqueued in that same transaction.
"""

from __future__ import annotations

import datetime

from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone

from labeling.models import Annotation, Batch, ItemImport, Job, Project
from labeling.models.batches import IMPORTED

# While a small pool is still being filled, the first batch waits this long for more items than there are yet.
SETTLE_SECONDS = 8

# So many batches in front of the newest may still lack their model. With more, people wait for a training after all.
MOST_UNTRAINED = 1

# How long nobody looks again for items behind a batch, where none were left.
LOOK_AGAIN = datetime.timedelta(minutes=10)


class BatchError(Exception):
    """The batch cannot do that now; the message says why."""


@transaction.atomic
def ensure_next(*, project: Project) -> Batch | None:
    """Set the next selection going if it is time, the loop is not stopped and an item is left.

    Safe to call at any time, any number of times: the constraint on batches that are being picked lets one through.
    """
    # The lock makes this wait for a batch that is just ending, on PostgreSQL too.
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if project.loop == Project.Loop.STOPPED:
        return None
    last = project.batches.order_by("-number").first()
    is_first = last is None or (last.number == 1 and last.state == Batch.State.SELECTING)
    few = is_first and project.items.unlabeled().order_by()[: project.batch_size].count() < project.batch_size
    if not _is_time(project):
        if is_first and not few:  # it was put off until there are enough items
            Job.objects.waiting().filter(project=project, kind=Job.Kind.SELECT).update(run_after=timezone.now())
        return None
    if not _is_any_left(project):
        return None
    batch = Batch.objects.create(project=project, number=last.number + 1 if last else 1, overlap=project.overlap)
    if project.versions.exists():
        Job.objects.enqueue(Job.Kind.EMBED, project=project, batch=batch)
    else:
        Job.objects.enqueue(Job.Kind.SELECT, project=project, batch=batch, delay_seconds=SETTLE_SECONDS if few else 0)
    return batch


def _is_any_left(project: Project) -> bool:
    """Whether an item is left for another batch. If none is, all of the pool has been looked at."""
    return project.items.unlabeled().exists() or project.items.asked_again().exists()


def _is_time(project: Project) -> bool:
    """Whether the next batch is to be picked now."""
    active = list(project.batches.active().order_by("number"))
    if not active:
        return True
    if any(batch.strategy == IMPORTED for batch in active):  # its model comes soon, and is to pick the next batch
        return False
    if project.pick_ahead is None or active[-1].state in (Batch.State.SELECTING, Batch.State.READY):
        return False
    if any(batch.state == Batch.State.FAILED for batch in active):
        return False
    if sum(batch.state == Batch.State.TRAINING for batch in active[:-1]) > MOST_UNTRAINED:
        return False
    return active[-1].state == Batch.State.TRAINING or is_nearly_over(active[-1], project.pick_ahead)


def is_nearly_over(batch: Batch, share: float) -> bool:
    """Whether this share of an open batch has been given out, or answered."""
    most = share * batch.size
    if batch.size - batch.remaining >= most:
        return True
    # People are given them in this order. Those that are asked of one more person come last.
    free = batch.tasks.claimable().filter(free__gt=F("extra")).values_list("rank", flat=True).first()
    return free is None or free >= most


def pick_ahead(*, project: Project, batch: Batch) -> None:
    """Have the next batch picked if this open one is nearly over, and none follows it yet.

    Every claim near its end asks for that. So all is looked at before the project is locked, and where no item was
    left, not again for a while: whatever brings items into the pool calls `ensure_next` itself.
    """
    now = timezone.now()
    if project.pick_ahead is None or (batch.nothing_left_at and now - batch.nothing_left_at < LOOK_AGAIN):
        return
    if project.batches.filter(number__gt=batch.number).exclude(strategy=IMPORTED).exists() or not _is_time(project):
        return
    if _is_any_left(project):
        ensure_next(project=project)
    else:
        Batch.objects.filter(pk=batch.pk).update(nothing_left_at=now)


@transaction.atomic
def set_loop(*, project: Project, loop: str) -> None:
    """Start, pause or stop the project's loop.

    Starting also takes up what lies still: items that could not be encoded, a next batch where none is active.
    """
    Project.objects.filter(pk=project.pk).update(loop=loop)
    project.loop = loop
    if loop == Project.Loop.RUNNING:
        if project.items.unencoded().exists():
            Job.objects.enqueue(Job.Kind.ENCODE, project=project)
        ensure_next(project=project)


@transaction.atomic
def picked(*, batch: Batch) -> None:
    """The batch's tasks, and how they were picked, are written: it opens, or is ready for when one before it ends."""
    # The lock makes this wait for a batch that is just ending: `complete` opens the one that is ready.
    project = Project.objects.select_for_update(no_key=True).get(pk=batch.project_id)
    if not Batch.objects.filter(pk=batch.pk, state=Batch.State.SELECTING).update(state=Batch.State.READY):
        raise BatchError(f"Batch {batch.number} is not being selected.")
    if not project.batches.open().exists():
        open_ready(project=project)
    newest = project.versions.newest()
    if newest is not None and newest.number != batch.newest_version:  # trained while this was being picked
        Job.objects.enqueue(Job.Kind.REPICK, project=project)


@transaction.atomic
def open_ready(*, project: Project) -> bool:
    """Give the batch that is ready to the annotators. False if none is, or another request was quicker."""
    now, hours = timezone.now(), project.deadline_hours
    batch = project.batches.filter(state=Batch.State.READY).first()
    opened = batch is not None and Batch.objects.filter(pk=batch.pk, state=Batch.State.READY).update(
        state=Batch.State.OPEN,
        opened_at=now,
        deadline_at=None if hours is None else now + datetime.timedelta(hours=hours),
        complete_share=None if hours is None else project.complete_share,
    )
    if opened:
        Job.objects.enqueue(Job.Kind.SURVEY, project=project, batch=batch)
    return bool(opened)


@transaction.atomic
def complete(*, batch_id: int) -> bool:
    """Close the batch if its last answer has just come, enqueue the one training job, and open the next if it is ready.

    Called within the transaction that writes the answer: of two that write the last two answers at once, the second
    waits for the first one's row lock and then sees its count.
    """
    closed = Batch.objects.filter(pk=batch_id, state=Batch.State.OPEN, remaining=0, size__gt=0).update(
        state=Batch.State.TRAINING, completed_at=timezone.now()
    )
    if closed:
        batch = Batch.objects.get(pk=batch_id)
        project = Project.objects.select_for_update(no_key=True).get(pk=batch.project_id)
        Job.objects.enqueue(Job.Kind.TRAIN, project=project, batch=batch)
        if not project.batches.open().exists():
            open_ready(project=project)
        if project.pick_ahead is not None:
            ensure_next(project=project)
    return bool(closed)


@transaction.atomic
def reopen(*, batch: Batch) -> bool:
    """Take back the end of a batch that was answered to its end, for somebody who takes an answer of it back. False if
    its training has begun, or it was ended early.
    """
    extra = batch.tasks.aggregate(n=Sum("extra", default=0))["n"]
    answers = Annotation.objects.standing().filter(task__batch=batch).count()
    if batch.dropped or answers < batch.size * batch.overlap + extra:
        return False
    if not Job.objects.waiting().filter(batch=batch, kind=Job.Kind.TRAIN, attempts=0).delete()[0]:
        return False
    reopened = Batch.objects.filter(pk=batch.pk, state=Batch.State.TRAINING).exclude(strategy=IMPORTED)
    return bool(reopened.update(state=Batch.State.OPEN, completed_at=None))


@transaction.atomic
def for_import(*, item_import: ItemImport) -> Batch:
    """The batch of what the import brings with labels. Called within the transaction that writes its tasks.

    One that is trained on already, as it may be where a failed import was retried late, takes no more: another begins.
    """
    batch = Batch.objects.filter(imports=item_import, state=Batch.State.IMPORTING).first()
    if batch is None:
        project = Project.objects.select_for_update(no_key=True).get(pk=item_import.project_id)
        batch = Batch.objects.create(
            project=project, number=_next_number(project), state=Batch.State.IMPORTING, strategy=IMPORTED
        )
        ItemImport.objects.filter(pk=item_import.pk).update(batch=batch)
    return batch


@transaction.atomic
def arrived(*, project: Project) -> None:
    """Train on what came with labels: once for each import that has ended, when all its items are encoded.

    Safe to call at any time, any number of times.
    """
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    ended = [ItemImport.State.DONE, ItemImport.State.REFUSED]
    waiting = project.batches.filter(state=Batch.State.IMPORTING, imports__state__in=ended).order_by("number")
    for batch in waiting:
        if project.items.unencoded().filter(task__batch=batch).exists():
            continue
        # A version knows the batches up to its own: those that were picked meanwhile come before this one.
        newer = project.batches.filter(number__gt=batch.number).exists()
        batch.number = _next_number(project) if newer else batch.number
        batch.state, batch.completed_at = Batch.State.TRAINING, timezone.now()
        batch.save(update_fields=["number", "state", "completed_at"])
        Job.objects.enqueue(Job.Kind.TRAIN, project=project, batch=batch)


def _next_number(project: Project) -> int:
    last = project.batches.order_by("-number").values_list("number", flat=True).first()
    return (last or 0) + 1


@transaction.atomic
def trained(*, batch: Batch) -> None:
    """The batch has its model version, if there was anything to learn from: it is done.

    The next one is on its way; what nobody holds of one that was picked ahead is picked again.
    """
    if not Batch.objects.filter(pk=batch.pk, state=Batch.State.TRAINING).update(
        state=Batch.State.DONE, done_at=timezone.now()
    ):
        raise BatchError(f"Batch {batch.number} is not being trained on.")
    ensure_next(project=batch.project)
    if batch.project.batches.on_offer().exists():
        Job.objects.enqueue(Job.Kind.REPICK, project=batch.project)
    Job.objects.enqueue(Job.Kind.BASELINE, project=batch.project, batch=batch)
    Job.objects.enqueue(Job.Kind.MISLABELED, project=batch.project, batch=batch)


@transaction.atomic
def retry(*, batch: Batch) -> None:
    """Take a failed batch up again at the step that failed. Raises `BatchError` if it has not failed."""
    batch = Batch.objects.get(pk=batch.pk)
    if not Batch.objects.filter(pk=batch.pk, state=Batch.State.FAILED).update(
        state=batch.failed_in or Batch.State.SELECTING, failed_in="", reason=""
    ):
        raise BatchError(f"Batch {batch.number} has not failed: it is {batch.state}.")
    Job.objects.filter(batch=batch, state=Job.State.FAILED).update(
        state=Job.State.WAITING, attempts=0, reason="", run_after=timezone.now()
    )
