"""The process of a lane: it runs the steps that the worker sends, one after the other, and stores their outcomes;
and the settings that a step depends on.
"""

import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from django.core.exceptions import ValidationError
from django.db import close_old_connections

from labeling.loop import endings
from labeling.loop.step import ComputeAway, Step, StepFailed, StepLost
from labeling.models import Job, Project
from labeling.observing import logs, traces
from labeling.projects.model_settings import learner_of
from labeling.storage.db import outages
from labeling.storage.disk.files import NO_ROOM
from labeling.storage.shared_files import StoreAway
from models_store.config import TrainConfig

logger = logging.getLogger(__name__)

# `prepare` runs after this time without a step, so that it does not delay steps that follow each other.
IDLE_SECONDS = 3.0


def run(step: Step, run_step: Callable[[Step], None], stop: threading.Event) -> str:
    """Run a step whose job this worker holds; store and return the outcome: done, failed, put_off, gave_way or lost."""
    job = step.job
    started = time.monotonic()
    with (
        traces.job(f"job {job.kind}") as step.span,
        logs.about(job_id=job.pk, job_kind=job.kind, project_id=job.project_id, **traces.ids()),
    ):
        outcome = _run(step, run_step)
        if not isinstance(outcome, str):
            close_old_connections()
            outcome = outages.until_answered(outcome, stop) or "lost"
        step.span.tell({"job.outcome": outcome})
        if outcome == "failed":
            step.span.fail(outcome)
        logger.info("%s took %.2f s.", job, time.monotonic() - started)
    return outcome


def _run(step: Step, run_step: Callable[[Step], None]) -> str | Callable[[], str]:
    """Run the step. Return the outcome, or the function that ends the job if the step has not ended it."""
    job = step.job
    try:
        if step.span.recorded:
            step.span.tell(_facts(job))
        run_step(step)
    except StepLost:
        logger.warning("Lost %s to another worker.", job)
        return "lost"
    except StepFailed as failure:
        logger.error("%s failed: %s", job, failure)
        return partial(endings.fail, job, str(failure))
    except ComputeAway as away:
        logger.error("%s is put off: %s", job, away)
        return partial(endings.put_off, job, str(away), seconds=away.seconds, moved_on=away.moved_on)
    except StoreAway as error:
        logger.error("%s is put off: %s", job, error)
        return partial(endings.put_off, job, str(error))
    except outages.ERRORS as error:
        return _after_database_error(job, error)
    except Exception as error:  # a defect must not end the worker, and its reason belongs on the job's row
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            logger.error("%s is put off: the disk is full (%s).", job, error)
            return partial(endings.put_off, job, "The disk of the worker is full: free some space there.")
        logger.exception("%s failed.", job)
        return partial(endings.fail, job, f"{type(error).__name__}: {error}")
    return "done" if step.finished else "gave_way"


def _after_database_error(job: Job, error: Exception) -> str | Callable[[], str]:
    reason = f"The database did not answer: {error}"
    if outages.has_gone(error):
        logger.warning("%s waits for the database: %s", job, str(error).strip())
        return partial(endings.again, job, reason)
    logger.exception("%s met a database error.", job)
    how = endings.put_off if outages.is_away(error) else endings.fail
    return partial(how, job, reason)


def _facts(job: Job) -> traces.Attributes:
    """Return the attributes of a job's span."""
    facts: dict[str, str | int] = {
        "job.id": job.pk,
        "job.kind": job.kind,
        "job.attempt": job.attempts,
        "project.id": job.project_id,
    }
    return facts | {"batch.number": job.batch.number} if job.batch else facts


@dataclass(frozen=True)
class Child:
    """The configuration of a lane's process.

    Parameters
    ----------
    run_step: runs one step.
    kinds: the kinds of steps that the worker runs.
    prepare: called once, when no step has come for `IDLE_SECONDS`.
    use_threads: sets the number of threads that a step may compute with.
    traced: whether the process sends traces.
    """

    run_step: Callable[[Step], None]
    kinds: Collection[str] = tuple(Job.Kind)
    prepare: Callable[[], None] | None = None
    use_threads: Callable[[int], None] = lambda _: None
    traced: bool = False

    def serve(self, line: Connection) -> None:
        """Run the steps that the worker orders on `line`, and answer each with its outcome, until the line closes."""
        stop = threading.Event()
        # The worker handles Ctrl-C and then ends this process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        if self.traced:
            traces.start("marginalia-worker")
        prepare = self.prepare
        try:
            while True:
                if prepare is not None and not line.poll(IDLE_SECONDS):
                    prepare()
                    prepare = None
                order = json.loads(line.recv_bytes())
                line.send_bytes(self._run(order, stop).encode())
        except (EOFError, OSError):
            traces.finish()

    def _run(self, order: dict[str, str | int], stop: threading.Event) -> str:
        close_old_connections()
        held = Job.objects.running().filter(pk=order["job"], worker=order["worker"], attempts=order["attempt"])
        job = outages.until_answered(held.first, stop)
        if job is None:
            return "lost"
        self.use_threads(int(order["threads"]))
        return run(Step(job, stopping=stop.is_set, kinds=self.kinds), self.run_step, stop)


# The settings that a step depends on. If a manager changes one of them, the worker ends the step and starts it again.
#
# A step reads its settings once, at its beginning, and may run for hours. A manager who changes a setting must not
# wait for the end of a step with the old one.

# These functions fill in defaults, so that two spellings of the same setting compare equal.
READ: dict[str, Callable[[Any], Any]] = {
    "model": learner_of,
    "training": TrainConfig.from_dict,
    # The encoding itself replaces the server's choice by that of the first items.
    "encoder": lambda choice: {} if choice.get("by") else choice,
}


def settings_for(kind: str, project: Project) -> dict[str, Any]:
    """Return the settings of `project`, as it was read, that a step of this kind depends on.

    Empty for a private project: its models have fixed settings, and each new start of a training spends budget.
    """
    if project.privacy_epsilon is not None:
        return {}
    return {name: _read(name, getattr(project, name)) for name in Job.Kind(kind).facts.settings}


def _read(name: str, value: Any) -> Any:
    try:
        return READ[name](value) if name in READ else value
    except (ValidationError, ValueError):
        return value


def unchanged(job: Job, settings: dict[str, Any]) -> bool:
    """Return whether the project is at work and still has these settings. Takes one query."""
    at_work = Project.objects.filter(pk=job.project_id, archived_at=None, deleted_at=None)
    project = at_work.only("privacy_epsilon", *job.facts.settings).first()
    if project is None:
        return False
    return project.privacy_epsilon is not None or settings_for(job.kind, project) == settings
