"""The progress of a project's loop, for annotators, managers and commands."""

import datetime
import math
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from labeling.loop import batches, signs
from labeling.loop.table import STEPS, State
from labeling.models import Assignment, Batch, Job, Project, Task, User
from labeling.models.job_kinds import PATIENT_KINDS
from labeling.queue import queue, rechecking

# Below this finished share, a step's duration cannot be estimated.
LEAST_SHARE = 0.05

# If no worker takes a due step for this long, no worker runs.
UNATTENDED_AFTER = datetime.timedelta(seconds=20)
# If no worker takes a due step for this long, although one runs, it takes no steps of this kind.
NOT_BEGUN_AFTER = datetime.timedelta(minutes=3)


def progress_of(project: Project, user: User | None = None) -> dict[str, Any]:
    """Return the current batch, the running step, the seconds until the next batch opens, and the user's answers."""
    batch = _batch_of(project, user)
    job = _current_job(project)
    is_final = (
        batch is not None and project.nothing_left_at is not None and batches.final().filter(pk=batch.pk).exists()
    )
    seconds = None if is_final else seconds_until_open(project)
    step_seconds = _seconds_by_share(job, timezone.now()) if job else None
    answered, answers = rechecking.answers_shown(batch) if batch else (0, 0)
    progress: dict[str, Any] = {
        "loop": project.loop,
        "batch": batch.number if batch else None,
        "state": batch.state if batch else None,
        "reason": batch.reason if batch and batch.state == Batch.State.FAILED else "",
        "size": batch.size if batch else 0,
        "remaining": rechecking.remaining_shown(batch) if batch else 0,
        "answered": answered,
        "answers": answers,
        "is_final": is_final,
        "phase": (job.phase or job.facts.phase) if job else _idle_phase(batch),
        "share": job.share if job else None,
        "detail": job.detail if job else "",
        "seconds_left": None if seconds is None else math.ceil(seconds),
        "step_seconds_left": None if step_seconds is None else max(1, math.ceil(step_seconds)),
        "retry_at": _retry_at(batch) if job is None and batch is not None else None,
    }
    if user is not None and batch is not None:
        progress["own"] = queue.own_progress(batch, user)
    return progress


def _idle_phase(batch: Batch | None) -> str:
    """Return the phase of a batch while no step of it runs: that of the last step in its state."""
    if batch is None or batch.state not in STEPS:
        return ""
    first, *_, last = STEPS[State(batch.state)]
    return (first if batch.state == State.TRAINING and batch.project.trains else last).facts.phase


def _retry_at(batch: Batch) -> datetime.datetime | None:
    """Return the time of the next attempt at the batch's step, if it is put off. No query while people answer."""
    if batch.state not in STEPS:
        return None
    later = batch.jobs.of_the_loop().waiting().filter(run_after__gt=timezone.now()).exclude(reason="")
    return later.values_list("run_after", flat=True).first()


def _batch_of(project: Project, user: User | None) -> Batch | None:
    """Return the current batch, or the first earlier open batch in which the user still holds tasks."""
    current = project.batches.current()
    if user is None or current is None or current.state != Batch.State.OPEN or current.number == 1:
        return current
    held = Task.objects.filter(pk__in=Assignment.objects.pending().filter(user=user).values("task"))
    earlier = project.batches.open().filter(pk__in=held.values("batch"), number__lt=current.number)
    return earlier.order_by("number").first() or current


@dataclass(frozen=True, slots=True)
class Unattended:
    """A step that no worker works on, since when, and whether any worker gives signs of life."""

    job: Job
    since: datetime.datetime
    any_worker: bool


def unattended(project: Project, now: datetime.datetime) -> Unattended | None:
    """Return the project's step that no worker works on; None without one.

    It is a running step without heartbeats, or a step that has been due for `UNATTENDED_AFTER` while no step runs. If a
    worker gives signs of life, it takes over the former soon, and the latter counts from `NOT_BEGUN_AFTER` on, without
    steps that no one waits for.
    """
    jobs = list(Job.objects.unfinished().order_by("-urgent", "run_after", "pk"))
    own = [job for job in jobs if job.project_id == project.pk]
    if not own:
        return None
    alive = signs.alive(now) > 0
    silent = ((job, since) for job in own if (since := job.silent_since(now)) is not None)
    for job, since in () if alive else silent:
        return Unattended(job, since, alive)
    if any(
        job.state == Job.State.RUNNING and job.silent_since(now) is None and not job.facts.waits_outside for job in jobs
    ):
        return None
    due = now - (NOT_BEGUN_AFTER if alive else UNATTENDED_AFTER)
    for job in own:
        is_patient = alive and job.kind in PATIENT_KINDS
        if job.state == Job.State.WAITING and job.run_after <= due and not is_patient:
            return Unattended(job, job.run_after, alive)
    return None


def is_stalled(project: Project, now: datetime.datetime) -> bool:
    """Return whether a step of the project waits and no worker runs."""
    step = unattended(project, now)
    return step is not None and not step.any_worker


def seconds_until_open(project: Project) -> float | None:
    """Estimate the seconds until the next batch opens, from the last durations of the steps and their finished shares.

    None if a batch is open or ready, no batch is in selection or training, the loop is stopped during a training, no
    earlier training gives a duration, or a running step has no heartbeats.
    """
    active = {batch.state: batch for batch in project.batches.active().order_by("-number")}
    batch = active.get(Batch.State.SELECTING) or active.get(Batch.State.TRAINING)
    if batch is None or Batch.State.OPEN in active or Batch.State.READY in active:
        return None
    if batch.state == Batch.State.TRAINING and project.loop == Project.Loop.STOPPED:
        return None
    finished = project.jobs.of_the_loop().filter(state=Job.State.DONE).order_by("-pk")[:20]
    took = {job.kind: job.took.total_seconds() for job in reversed(finished) if job.took}
    current = {job.kind: job for job in batch.jobs.of_the_loop()}
    now = timezone.now()
    if any(job.silent_since(now) for job in current.values()):  # its worker is dead; nothing says when another comes
        return None
    to_open = STEPS[State.SELECTING]
    steps = to_open if batch.state == Batch.State.SELECTING else (Job.Kind.TRAIN, *to_open)
    left = 0.0
    for kind in steps:
        seconds = _seconds_left(current.get(kind), took.get(kind))
        if seconds is None and kind == Job.Kind.TRAIN:
            return None
        left += seconds or 0.0
    return max(1.0, left)


def _seconds_left(job: Job | None, took: float | None) -> float | None:
    """Return the estimated seconds left of a step; None without `took`, the last duration of its kind, and a share."""
    if job is not None and job.state == Job.State.DONE:
        return 0.0
    now = timezone.now()
    if job is None or job.state != Job.State.RUNNING or job.started_at is None:
        wait = (job.run_after - now).total_seconds() if job is not None and job.state == Job.State.WAITING else 0.0
        return None if took is None else took + max(0.0, wait)
    # The last duration is steadier than an estimate from the share, which counts if there is none or it is exceeded.
    if took is not None and (left := took - (now - job.started_at).total_seconds()) > 0:
        return left
    by_share = _seconds_by_share(job, now)
    return took if by_share is None else by_share


def _seconds_by_share(job: Job, now: datetime.datetime) -> float | None:
    """Return the estimated seconds left of the running step, from its finished share; None below `LEAST_SHARE`."""
    if job.started_at is None or job.share < LEAST_SHARE:
        return None
    return (now - job.started_at).total_seconds() * (1 - job.share) / job.share


def _current_job(project: Project) -> Job | None:
    """Return the running step, an urgent one such as an import before others; no patient step and no prediction."""
    return project.jobs.running().exclude(kind__in=[*PATIENT_KINDS, Job.Kind.PREDICT]).order_by("-urgent", "pk").first()
