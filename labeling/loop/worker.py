"""The worker: takes due jobs one after the other and runs their step.

A worker that dies leaves a job behind that says who ran it. Its successor on the same machine sees that the process is
gone and takes the job at once; others wait until the heartbeat has gone stale.
"""

from __future__ import annotations

import datetime
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextvars import copy_context
from types import FrameType
from typing import TypeVar

from django.db import close_old_connections, connection, transaction
from django.utils import timezone

from labeling import database, logs, traces
from labeling.answering import batches
from labeling.loop import deadlines, rechecks, versions
from labeling.loop.step import ComputeAway, Step, StepFailed, StepLost
from labeling.metrics import JOB_SECONDS
from labeling.models import Batch, ItemImport, Job, ModelVersion, PredictionRun
from labeling.models.jobs import HEARTBEAT_SECONDS, LOOP_KINDS, MAX_ATTEMPTS, JobQuerySet, worker_name
from labeling.shared_files import StoreAway

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

POLL_SECONDS = 0.2
# Nothing has been due for this long: steps that follow each other are not held up by what gets ready for later ones.
IDLE_SECONDS = 3.0
LOOK_AROUND_SECONDS = 5.0
# How long to wait before a database that did not answer is asked again.
AWAY_SECONDS = 1.0
# A busy or briefly absent database is worth a few more tries; a defect in a step is not.
DATABASE_RETRIES = 3
# A cluster takes longer to come back: these tries take eight minutes.
COMPUTE_RETRIES = 8


class Worker:
    """Runs background steps until it is told to stop.

    `run_step` does the work of one of them; `sweeps` look after what is no step, at a given time: they remove
    what has been kept long enough, or recount. `prepare` is called once, when nothing has been due for some seconds:
    it loads what later steps would have people wait for. `kinds`: those of the steps that it runs; others are left to
    other workers.
    """

    def __init__(
        self,
        run_step: Callable[[Step], None],
        *,
        sweeps: Sequence[Callable[[datetime.datetime], None]] = (),
        prepare: Callable[[], None] | None = None,
        drain: bool = False,
        kinds: Collection[str] = Job.Kind.values,
    ) -> None:
        self._run_step = run_step
        self._sweeps = sweeps
        self._prepare = prepare
        self.name = worker_name()
        self.drain = drain
        self._kinds = kinds
        self._stop = threading.Event()

    def stop(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """End after the present step; a second call ends at once (the step is picked up by the next worker)."""
        if self._stop.is_set():
            raise SystemExit(1)
        self._stop.set()

    def run(self) -> None:
        """Work until stopped; with `drain`, until nothing is left to do."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        for kind in Job.Kind.values:  # what begins at 1 has not risen, and an alert would miss the first
            JOB_SECONDS.labels(kind, "failed")
        logger.info("Worker %s is ready.", self.name)
        self._until_answered(self.look_around)
        # Beside the steps: a training of hours must not put off the deadlines of other projects.
        idle = 0.0
        with _Meanwhile(LOOK_AROUND_SECONDS, self.look_around):
            while not self._stop.is_set():
                if self._until_answered(self.run_next):
                    idle = 0.0
                    continue
                if self.drain and not self._until_answered(self._mine(Job.objects.startable()).unfinished().exists):
                    return
                self._stop.wait(POLL_SECONDS)
                idle += POLL_SECONDS
                if self._prepare is not None and idle >= IDLE_SECONDS:
                    self._prepare()
                    self._prepare = None

    def run_next(self) -> bool:
        """Run one due job, if there is one. Returns whether there was."""
        now = timezone.now()
        for job in self._mine(Job.objects.due(now))[:5]:
            if Job.objects.take(job, self.name, now):
                self.execute(Step(job, stopping=self._stop.is_set, kinds=self._kinds))
                return True
        return False

    def _mine(self, jobs: JobQuerySet) -> JobQuerySet:
        return jobs.filter(kind__in=self._kinds)

    def _until_answered(self, ask: Callable[[], Answer]) -> Answer | None:
        """What `ask` returns, however long the database is away; None for a worker that is told to stop meanwhile."""
        while True:
            try:
                return ask()
            except database.ERRORS as error:
                if not database.is_away(error):
                    raise
                logger.warning("The database does not answer: %s", str(error).strip())
                close_old_connections()
            if self._stop.wait(AWAY_SECONDS):
                return None

    def look_around(self) -> None:
        """Put jobs of dead workers back into the queue, end overdue batches, sweep."""
        now = timezone.now()
        deadlines.end_overdue(now)
        rechecks.let_go(now)
        for sweep in self._sweeps:
            sweep(now)
        abandoned = set(Job.objects.stale(now))
        abandoned |= {job for job in Job.objects.running() if self._is_dead_neighbour(job.worker)}
        for job in abandoned:
            logger.warning("Took up %s, left by worker %s.", job, job.worker)
            if job.attempts >= MAX_ATTEMPTS:
                self._fail(job, f"The worker died {job.attempts} times during this step: see its log, then retry.")
            else:
                Job.objects.put_back(job, run_after=now)

    def _is_dead_neighbour(self, worker: str) -> bool:
        host, pid, _ = worker.split(":")
        if host != socket.gethostname() or worker == self.name:
            return False
        if int(pid) == os.getpid():  # an earlier process of the same number
            return True
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def execute(self, step: Step) -> None:
        """Run a step whose job this process holds; whatever happens, the job's row says so afterwards."""
        job = step.job
        started = time.monotonic()
        with (
            traces.job(f"job {job.kind}") as step.span,
            logs.about(job_id=job.pk, job_kind=job.kind, project_id=job.project_id, **traces.ids()),
        ):
            with _Meanwhile(HEARTBEAT_SECONDS, lambda: Job.objects.held(job).update(heartbeat_at=timezone.now())):
                outcome = self._outcome(step)
            seconds = time.monotonic() - started
            JOB_SECONDS.labels(job.kind, outcome).observe(seconds)
            step.span.tell({"job.outcome": outcome})
            if outcome == "failed":
                step.span.fail(outcome)
            logger.info("%s took %.2f s.", job, seconds)

    def _outcome(self, step: Step) -> str:
        """Run the step, and write down how it ended if it does not itself. Returns a word for that."""
        job = step.job
        try:
            if step.span.recorded:
                step.span.tell(_facts(job))
            self._run_step(step)
        except StepLost:
            logger.warning("Lost %s to another worker.", job)
            return "lost"
        except StepFailed as failure:
            logger.error("%s failed: %s", job, failure)
            return self._end(self._fail, job, str(failure))
        except (ComputeAway, StoreAway) as error:
            logger.error("%s is put off: %s", job, error)
            return self._end(self._retry_later, job, str(error), COMPUTE_RETRIES)
        except database.ERRORS as error:
            logger.exception("%s met a database error.", job)
            return self._end(self._retry_later, job, f"The database did not answer: {error}", DATABASE_RETRIES)
        except Exception as error:  # the last line of defence: the reason belongs on the row
            logger.exception("%s failed.", job)
            return self._end(self._fail, job, f"{type(error).__name__}: {error}")
        return "done" if step.finished else "gave_way"

    def _end(self, how: Callable[..., str], job: Job, reason: str, *more: int) -> str:
        """What `how` returns; `lost` if this worker is told to stop before the database answers."""
        close_old_connections()
        return self._until_answered(lambda: how(job, reason, *more)) or "lost"

    def _retry_later(self, job: Job, reason: str, most: int) -> str:
        if job.attempts > most:
            return self._fail(job, reason)
        later = timezone.now() + datetime.timedelta(seconds=2**job.attempts)
        Job.objects.put_back(job, reason=reason[:500], run_after=later)
        return "put_off"

    @transaction.atomic
    def _fail(self, job: Job, reason: str) -> str:
        failed = Job.objects.held(job).update(state=Job.State.FAILED, reason=reason[:500], finished_at=timezone.now())
        if failed and job.batch_id and job.kind in LOOP_KINDS:
            batches.fail(batch=Batch.objects.get(pk=job.batch_id), reason=reason)
        if failed and job.kind == Job.Kind.CALIBRATE:
            version = ModelVersion.objects.get(batch=job.batch_id)
            versions.not_calibrated(version=version, reason=f"it failed: {reason}"[:500])
        if failed and job.item_import_id:
            ItemImport.objects.filter(pk=job.item_import_id).update(state=ItemImport.State.FAILED, reason=reason[:500])
        if failed and job.prediction_id:
            PredictionRun.objects.filter(pk=job.prediction_id).update(
                state=PredictionRun.State.FAILED, reason=reason[:500], finished_at=timezone.now()
            )
        return "failed"


def _facts(job: Job) -> traces.Attributes:
    """What a job's span tells of it."""
    facts: dict[str, str | int] = {
        "job.id": job.pk,
        "job.kind": job.kind,
        "job.attempt": job.attempts,
        "project.id": job.project_id,
    }
    return facts | {"batch.number": job.batch.number} if job.batch else facts


class _Meanwhile(threading.Thread):
    """Calls `work` every few seconds while the block runs, also while a step computes without a word.

    It has a database connection of its own, and goes on when the database was away. Its lines of the log belong to
    what the lines of whoever made it belong to.
    """

    def __init__(self, seconds: float, work: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._seconds = seconds
        self._work = work
        self._over = threading.Event()
        self._context = copy_context()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        self._context.run(self._work_until_over)

    def _work_until_over(self) -> None:
        try:
            while not self._over.wait(self._seconds):
                try:
                    self._work()
                except database.ERRORS as error:
                    logger.warning("A look at the database failed: %s", str(error).strip())
                except Exception:  # a defect here is no reason to leave deadlines and heartbeats alone from now on
                    logger.exception("A look at the database failed.")
                close_old_connections()
        finally:
            connection.close()
