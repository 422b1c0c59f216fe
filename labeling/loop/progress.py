"""Where a project's loop is, for whoever waits for it: annotators, managers, commands."""

from __future__ import annotations

import datetime
import math
from typing import Any

from django.utils import timezone

from labeling.answering import batches, queue, rechecking
from labeling.models import Assignment, Batch, Job, Project, Task, User
from labeling.models.jobs import PATIENT_KINDS

# A step that has done less than this does not tell yet how long it takes.
LEAST_SHARE = 0.05

# A step that no worker takes up for this long tells that none runs.
PATIENCE = datetime.timedelta(seconds=20)

# What a step does, until it names its own phase.
STEPS: dict[str, str] = {
    Job.Kind.IMPORT: "importing items",
    Job.Kind.ENCODE: "encoding items",
    Job.Kind.TRAIN: "training the model",
    Job.Kind.EMBED: "looking at the pool",
    Job.Kind.CLUSTER: "clustering the pool",
    Job.Kind.SELECT: "picking the next batch",
    Job.Kind.REPICK: "picking the batch again with the newest model",
    Job.Kind.REPLACE: "replacing skipped items",
    Job.Kind.RELABEL: "changing labels",
    Job.Kind.SURVEY: "surveying the pool",
    Job.Kind.PREDICT: "predicting",
    Job.Kind.BASELINE: "estimating what uniform labels would do",
    Job.Kind.CALIBRATE: "calibrating the model",
    Job.Kind.MISLABELED: "looking for label errors",
    Job.Kind.REBUILD: "rebuilding damaged files",
}
PHASES: dict[str, str] = {
    Batch.State.SELECTING: "picking the next batch",
    Batch.State.TRAINING: "training the model",
}


def progress_of(project: Project, user: User | None = None) -> dict[str, Any]:
    """The batch that matters most, the step under way, seconds until the next batch opens, and the user's own part."""
    batch = _batch_of(project, user)
    job = _current_job(project)
    seconds = batches.seconds_until_open(project)
    answered, answers = rechecking.answers_shown(batch) if batch else (0, 0)
    progress: dict[str, Any] = {
        "loop": project.loop,
        "batch": batch.number if batch else None,
        "state": batch.state if batch else None,
        "reason": batch.reason if batch and batch.state == Batch.State.FAILED else "",
        "size": batch.size if batch else 0,
        "remaining": rechecking.told_remaining(batch) if batch else 0,
        "answered": answered,
        "answers": answers,
        "phase": (job.phase or STEPS[job.kind]) if job else (PHASES.get(batch.state, "") if batch else ""),
        "share": job.share if job else None,
        "detail": job.detail if job else "",
        "seconds_left": None if seconds is None else math.ceil(seconds),
        "step_seconds_left": _step_seconds_left(job, timezone.now()) if job else None,
    }
    if user is not None and batch is not None:
        progress["own"] = queue.progress_of(batch, user)
    return progress


def _batch_of(project: Project, user: User | None) -> Batch | None:
    """The current batch; of two that are open, the first in which the user still holds tasks."""
    current = project.batches.current()
    if user is None or current is None or current.state != Batch.State.OPEN or current.number == 1:
        return current
    held = Task.objects.filter(pk__in=Assignment.objects.pending().filter(user=user).values("task"))
    earlier = project.batches.open().filter(pk__in=held.values("batch"), number__lt=current.number)
    return earlier.order_by("number").first() or current


def unattended(project: Project, now: datetime.datetime) -> tuple[Job, datetime.datetime] | None:
    """The project's step that no worker is at, and since when: one whose worker gives no sign any more, or one that is
    due while no worker is at any other.
    """
    jobs = list(Job.objects.unfinished().order_by("-urgent", "run_after", "pk"))
    running = [(job, job.silent_since(now)) for job in jobs if job.state == Job.State.RUNNING]
    for job, since in running:
        if since is not None and job.project_id == project.pk:
            return job, since
    if any(since is None for _, since in running):
        return None
    for job in jobs:
        if job.state == Job.State.WAITING and job.project_id == project.pk and job.run_after <= now - PATIENCE:
            return job, job.run_after
    return None


def _step_seconds_left(job: Job, now: datetime.datetime) -> int | None:
    """Seconds that the step itself still needs, by the share that it has done; None as long as that says too little."""
    if job.started_at is None or job.share < LEAST_SHARE:
        return None
    elapsed = (now - job.started_at).total_seconds()
    return max(1, math.ceil(elapsed * (1 - job.share) / job.share))


def _current_job(project: Project) -> Job | None:
    """The step under way: the loop's before an import's, what is beside the loop is not shown."""
    return project.jobs.running().exclude(kind__in=[*PATIENT_KINDS, Job.Kind.PREDICT]).order_by("-urgent", "pk").first()
