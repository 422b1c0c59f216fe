"""The endings of a step that is not done: it fails, is put off, or waits again without counting the attempt.

Each function changes the job only if this attempt still holds it, and returns the outcome for the metrics. The
functions from `too_long` on are for a step whose process has ended.
"""

import datetime
import logging
import signal
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.utils import timezone

from labeling.loop import batches
from labeling.loop.table import BatchEvent
from labeling.loop.turns import MOVED
from labeling.models import Batch, Job
from labeling.models.privacy import refusal_to_repeat

logger = logging.getLogger(__name__)

# A step that is put off waits 2, 4, 8 … seconds, at most 2 to this power: about four minutes.
MOST_DOUBLINGS = 8
# The longest wait that a server can ask for.
MOST_SECONDS = 3600.0
# The wait of a step that the worker ended, or that lost the database.
AGAIN_SECONDS = 2.0
# The waits after each death of a step's process. After one more, the step fails.
DEATH_MINUTES = (1, 5, 30)


@transaction.atomic
def fail(job: Job, reason: str) -> str:
    """Fail the job, and the row in `JobKind.fails`, with this reason. A manager has to act, and can then retry."""
    failed = Job.objects.held(job).update(state=Job.State.FAILED, reason=reason[:500], finished_at=timezone.now())
    row: Any = job
    for name in job.facts.fails.split("."):
        row = getattr(row, name, None)
    if failed and isinstance(row, Batch):
        with suppress(batches.BatchError):  # it is neither in selection nor in training any more
            batches.advance(row, BatchEvent.FAILED, reason=reason[:500])
    elif failed and row is not None:
        row.step_failed(reason)
    return "failed"


def put_off(job: Job, reason: str, *, seconds: float = 0.0, moved_on: bool = False) -> str:
    """Let the job wait, longer after each attempt and at least `seconds`. Use it for transient causes: there is no last
    attempt. `moved_on`: this attempt did a part of the work, so it counts as the first.
    """
    doublings = 1 if moved_on else min(job.attempts, MOST_DOUBLINGS)
    _wait(job, reason, attempts=doublings, seconds=max(2.0**doublings, min(seconds, MOST_SECONDS)))
    return "put_off"


def again(job: Job, reason: str = "") -> str:
    """Let the job wait `AGAIN_SECONDS`, and do not count this attempt unless it cost privacy budget. It is for a step
    that was ended without its fault.
    """
    _wait(job, reason, attempts=job.attempts - (not job.spends_privacy), seconds=AGAIN_SECONDS)
    return "put_off"


def _wait(job: Job, reason: str, *, seconds: float, **counts: int) -> None:
    run_after = timezone.now() + datetime.timedelta(seconds=seconds)
    Job.objects.put_back(job, reason=reason[:500], run_after=run_after, **counts)


def too_long(job: Job, *, seconds: float) -> str:
    reason = f"{_name(job)} took more than {seconds / 3600:.3g} h, the limit for a step (STEP_MAX_SECONDS). {TO_DO}"
    logger.error("%s was ended: %s", job, reason)
    return fail(job, reason)


def too_slow(job: Job, *, seconds: float) -> str:
    waited = f"{_name(job)} waited for more than {seconds / 3600:.3g} h for a server outside."
    reason = f"{waited} Check that server, then retry."
    logger.error("%s was ended: %s", job, reason)
    return fail(job, reason)


def too_large(job: Job, *, most: int) -> str:
    reason = f"{_name(job)} took more than {most >> 20:,} MB of memory, the limit for steps (STEP_MEMORY_MB). {TO_DO}"
    logger.error("%s was ended: %s", job, reason)
    return fail(job, reason)


def too_large_together(job: Job, *, most: int) -> str:
    """Put off the largest of several steps that exceeded the limit together: it may fit when it runs alone."""
    reason = f"The steps that ran at the same time took more than {most >> 20:,} MB of memory (STEP_MEMORY_MB)."
    logger.warning("%s was ended, and is put off: %s", job, reason)
    return put_off(job, reason)


def died(job: Job, *, status: int) -> str:
    """Put off a step whose process crashed or was killed from outside; see `crashed`."""
    how = f"signal {-status}, {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    return crashed(job, how)


def crashed(job: Job, how: str) -> str:
    """Let the job wait `DEATH_MINUTES`, and start the step with less memory then (`Lanes`). Fail it after the last of
    these waits, or if another start needs a person's consent.
    """
    reason = f"The process of this step died ({how})."
    if job.spends_privacy and (refusal := refusal_to_repeat(job.batch)):
        logger.error("%s failed: %s", job, reason)
        return fail(job, f"{reason} {refusal}")
    if job.deaths >= len(DEATH_MINUTES):
        reason += f" It died {job.deaths + 1} times: see the worker's log and the machine's memory, then retry."
        logger.error("%s failed: %s", job, reason)
        return fail(job, reason)
    if job.spends_privacy:
        reason += " If its training had begun, the next start spends privacy budget once more."
    logger.error("%s is put off: %s", job, reason)
    _wait(job, reason, deaths=job.deaths + 1, seconds=60 * DEATH_MINUTES[job.deaths])
    return "put_off"


def changed(job: Job) -> str:
    """Start the step again later: its settings have changed, or its project was archived or deleted."""
    logger.info("%s was ended: its project's settings have changed, or the project was put away.", job)
    return again(job)


def moved(job: Job) -> str:
    logger.info("%s was ended: %s", job, MOVED)
    return again(job, MOVED)


def lost(job: Job) -> str:
    logger.warning("Lost %s: another worker has it, or it is no longer wanted.", job)
    return "lost"


TO_DO = "Choose settings that take less, or have an operator raise the limit; then retry."


def _name(job: Job) -> str:
    return job.facts.phase.capitalize()
