"""A batch's states, and what each change sets going.

    selecting → open → training → done        and from any of the first three: failed → (retry) → where it was

Each function is one transaction (or joins its caller's). A change of state is a conditional update whose row count
decides who made it; the next background step is enqueued in that same transaction.
"""

from __future__ import annotations

import datetime

from django.db import transaction
from django.utils import timezone

from labeling.models import Batch, Job, Project

# While a small pool is still being filled, the first batch waits this long for more items than there are yet.
SETTLE_SECONDS = 8

# What a batch goes through before it opens.
STEPS_TO_OPEN = (Job.Kind.EMBED, Job.Kind.CLUSTER, Job.Kind.SELECT)


class BatchError(Exception):
    """The batch cannot do that now; the message says why."""


@transaction.atomic
def ensure_next(*, project: Project) -> Batch | None:
    """Set the next selection going, unless a batch is active, the loop is stopped or no item is left.

    Safe to call at any time, any number of times: the constraint on active batches lets one through.
    """
    # The lock makes this wait for a batch that is just ending, on PostgreSQL too.
    project = Project.objects.select_for_update().get(pk=project.pk)
    if project.loop == Project.Loop.STOPPED:
        return None
    waiting = project.items.unlabeled().order_by()[: project.batch_size].count()
    few = waiting < project.batch_size
    if project.batches.active().exists():
        if not few:  # a first batch that was put off until there are enough items
            Job.objects.waiting().filter(project=project, kind=Job.Kind.SELECT).update(run_after=timezone.now())
        return None
    if not waiting:
        return None
    last = project.batches.order_by("-number").first()
    batch = Batch.objects.create(project=project, number=last.number + 1 if last else 1, overlap=project.overlap)
    if project.versions.exists():
        Job.objects.enqueue(Job.Kind.EMBED, project=project, batch=batch)
    else:
        Job.objects.enqueue(Job.Kind.SELECT, project=project, batch=batch, delay_seconds=SETTLE_SECONDS if few else 0)
    return batch


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
def opened(*, batch: Batch) -> None:
    """Give the batch to the annotators; its tasks and how they were selected are already written."""
    now = timezone.now()
    project = Project.objects.get(pk=batch.project_id)
    hours = project.deadline_hours
    if not Batch.objects.filter(pk=batch.pk, state=Batch.State.SELECTING).update(
        state=Batch.State.OPEN,
        opened_at=now,
        deadline_at=None if hours is None else now + datetime.timedelta(hours=hours),
        complete_share=None if hours is None else project.complete_share,
    ):
        raise BatchError(f"Batch {batch.number} is not being selected.")
    Job.objects.enqueue(Job.Kind.SURVEY, project=project, batch=batch)


@transaction.atomic
def complete(*, batch_id: int) -> bool:
    """Close the batch if its last answer has just come, and enqueue the one training job.

    Called within the transaction that writes the answer: of two that write the last two answers at once, the second
    waits for the first one's row lock and then sees its count.
    """
    closed = Batch.objects.filter(pk=batch_id, state=Batch.State.OPEN, remaining=0, size__gt=0).update(
        state=Batch.State.TRAINING, completed_at=timezone.now()
    )
    if closed:
        batch = Batch.objects.select_related("project").get(pk=batch_id)
        Job.objects.enqueue(Job.Kind.TRAIN, project=batch.project, batch=batch)
    return bool(closed)


@transaction.atomic
def trained(*, batch: Batch) -> None:
    """The batch has its model version: it is done, and the next one is on its way."""
    if not Batch.objects.filter(pk=batch.pk, state=Batch.State.TRAINING).update(
        state=Batch.State.DONE, done_at=timezone.now()
    ):
        raise BatchError(f"Batch {batch.number} is not being trained on.")
    ensure_next(project=batch.project)
    Job.objects.enqueue(Job.Kind.BASELINE, project=batch.project, batch=batch)


@transaction.atomic
def fail(*, batch: Batch, reason: str) -> None:
    """Stop the batch with a reason that its manager can act upon."""
    current = Batch.objects.get(pk=batch.pk)
    if current.state in (Batch.State.SELECTING, Batch.State.TRAINING):
        Batch.objects.filter(pk=batch.pk, state=current.state).update(
            state=Batch.State.FAILED, failed_in=current.state, reason=reason[:500]
        )


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


def seconds_until_open(project: Project) -> float | None:
    """Estimate the seconds between now and the next open batch, from what the steps took last and how far they are.

    None where nothing is under way, no batch follows, no training has been seen yet to judge by, or a step has lost its
    worker.
    """
    batch = project.batches.active().first()
    if batch is None or batch.state not in (Batch.State.SELECTING, Batch.State.TRAINING):
        return None
    if batch.state == Batch.State.TRAINING and project.loop == Project.Loop.STOPPED:
        return None
    done = project.jobs.of_the_loop().filter(state=Job.State.DONE).order_by("-pk")[:20]
    took = {job.kind: job.took.total_seconds() for job in reversed(done) if job.took}
    current = {job.kind: job for job in batch.jobs.of_the_loop()}
    now = timezone.now()
    if any(job.silent_since(now) for job in current.values()):  # who knows when a worker comes
        return None
    steps = STEPS_TO_OPEN if batch.state == Batch.State.SELECTING else (Job.Kind.TRAIN, *STEPS_TO_OPEN)
    left = 0.0
    for kind in steps:
        seconds = _seconds_left(current.get(kind), took.get(kind))
        if seconds is None and kind == Job.Kind.TRAIN:
            return None
        left += seconds or 0.0
    return max(1.0, left)


def _seconds_left(job: Job | None, took: float | None) -> float | None:
    """Seconds that one step still needs; None if there is nothing to judge by."""
    if job is not None and job.state == Job.State.DONE:
        return 0.0
    if job is None or job.state != Job.State.RUNNING or job.started_at is None:
        return took
    elapsed = (timezone.now() - job.started_at).total_seconds()
    # What it took last is the steadier guess; the share done is asked where there is none, or it takes longer.
    if took is not None and elapsed < took:
        return took - elapsed
    return elapsed * (1 - job.share) / job.share if job.share >= 0.1 else took
