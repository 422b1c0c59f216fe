"""Where a project's loop is, for whoever waits for it: annotators, managers, commands."""

from __future__ import annotations

import math
from typing import Any

from labeling import batches, queue
from labeling.models import Batch, Job, Project, User

PHASES: dict[str, str] = {
    Batch.State.SELECTING: "picking the next batch",
    Batch.State.TRAINING: "training the model",
}


def progress_of(project: Project, user: User | None = None) -> dict[str, Any]:
    """The active (or last) batch, the step under way, seconds until the next batch opens, and the user's own part."""
    batch = project.batches.active().first() or project.batches.order_by("-number").first()
    job = _current_job(project)
    seconds = batches.seconds_until_open(project)
    found: dict[str, Any] = {
        "loop": project.loop,
        "batch": batch.number if batch else None,
        "state": batch.state if batch else None,
        "reason": batch.reason if batch and batch.state == Batch.State.FAILED else "",
        "size": batch.size if batch else 0,
        "remaining": batch.remaining if batch else 0,
        "phase": (job.phase or job.get_kind_display()) if job else (PHASES.get(batch.state, "") if batch else ""),
        "share": job.share if job else None,
        "seconds_left": None if seconds is None else math.ceil(seconds),
    }
    if user is not None and batch is not None:
        found["own"] = queue.progress_of(batch, user)
    return found


def _current_job(project: Project) -> Job | None:
    """The step under way: the loop's before an import's."""
    return project.jobs.running().order_by("-urgent", "pk").first()
