"""The worker: it takes due jobs, runs their steps, ends overdue batches and calls the sweeps.

The row of a running job names its worker. If the worker dies, another worker on the same machine sees that the process
is gone and puts the job back at once; workers on other machines wait until the heartbeat is stale.
"""

import datetime
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection, Sequence
from types import FrameType

from django.utils import timezone

from labeling.loop import endings
from labeling.loop.step import Step
from labeling.models import Job
from labeling.models.jobs import HEARTBEAT_SECONDS, MAX_ATTEMPTS, worker_name
from labeling.observing.metrics import JOB_SECONDS, WEBHOOK_TRIES
from labeling.queue import deadlines
from labeling.queue.rechecking import close_unanswerable
from labeling.steps.running import running
from labeling.steps.running.lanes import Lanes
from labeling.steps.running.meanwhile import Meanwhile
from labeling.storage.db import outages

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
LOOK_AROUND_SECONDS = 5.0


class Worker:
    """Runs background steps until `stop` is called.

    Parameters
    ----------
    run_step: runs one step in this process, one after the other. With `lanes` it is not called.
    sweeps: functions of the present time that the worker calls every `LOOK_AROUND_SECONDS`, such as the removal of
        expired rows or a recount.
    drain: whether `run` returns when no job is left.
    kinds: the kinds of steps that this worker runs; other workers run the others.
    lanes: runs steps in processes of their own, several at a time.
    when_ready: called once, when the database has answered and the first step may begin.
    """

    def __init__(
        self,
        run_step: Callable[[Step], None],
        *,
        sweeps: Sequence[Callable[[datetime.datetime], None]] = (),
        drain: bool = False,
        kinds: Collection[str] = tuple(Job.Kind),
        lanes: Lanes | None = None,
        when_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._run_step = run_step
        self._when_ready = when_ready
        self._sweeps = sweeps
        self.name = worker_name()
        self.drain = drain
        self._kinds = kinds
        self._lanes = lanes
        self._stop = threading.Event()
        self._was_away = False
        """Whether the database was unavailable when this worker last looked around."""

    def stop(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """Stop after the running steps. A second call exits at once, and another worker takes up the steps."""
        if self._stop.is_set():
            raise SystemExit(1)
        self._stop.set()
        if self._lanes is not None:
            self._lanes.stop()

    def run(self) -> None:
        """Run steps until `stop` is called; with `drain`, until no job is left."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        for kind in Job.Kind:  # begin at 0: an alert on a rise would miss a first failure that begins the metric at 1
            JOB_SECONDS.labels(kind, "failed")
        WEBHOOK_TRIES.labels("dead")
        outages.until_answered(self.look_around, self._stop)
        if self._stop.is_set():  # before the database answered
            return
        logger.info("Worker %s is ready.", self.name)
        self._when_ready()
        # In a thread beside the steps: a training of hours must not delay the deadlines of other projects.
        with Meanwhile(LOOK_AROUND_SECONDS, self.look_around):
            if self._lanes is None:
                self._work(lambda: self._stop.wait(POLL_SECONDS))
            else:
                with self._lanes.watched():
                    lanes = self._lanes
                    self._work(lambda: lanes.wait(POLL_SECONDS))
                    while lanes.jobs:
                        lanes.wait(POLL_SECONDS)

    def _work(self, wait: Callable[[], object]) -> None:
        """Run due jobs, and call `wait` when no job can begin."""
        while not self._stop.is_set():
            if outages.until_answered(self.run_next, self._stop):
                continue
            if self.drain and not self._jobs() and not outages.until_answered(self._is_anything_left, self._stop):
                return
            wait()

    def run_next(self) -> bool:
        """Run one due job, or start it in a lane. Return whether there was one."""
        now = timezone.now()
        # This cheap query runs five times a second and mostly finds no job; the ordered query costs ten times as much.
        if not Job.objects.waiting().filter(run_after__lte=now).exists():
            return False
        due = Job.objects.due(now).filter(kind__in=self._kinds).select_related("project")
        for jobs, is_outside in [(due, False)] if self._lanes is None else self._lanes.startable(due):
            for job in jobs[:5]:
                project = job.project
                if Job.objects.take(job, self.name, now):
                    # `take` refreshed the job without its project, and the database may go away.
                    job.project = project
                    if self._lanes is None:
                        self.execute(Step(job, stopping=self._stop.is_set, kinds=self._kinds))
                    else:
                        self._lanes.start(job, is_outside=is_outside)
                    return True
        return False

    def execute(self, step: Step) -> None:
        """Run a step, whose job this worker holds, in this process, with heartbeats. Its job's row gets the outcome."""
        job, started = step.job, time.monotonic()
        with Meanwhile(HEARTBEAT_SECONDS, lambda: Job.objects.held(job).update(heartbeat_at=timezone.now())):
            outcome = running.run(step, self._run_step, self._stop)
        JOB_SECONDS.labels(job.kind, outcome).observe(time.monotonic() - started)

    def look_around(self) -> None:
        """End overdue batches, call the sweeps, and put jobs of dead workers back into the queue."""
        try:
            self._look_around()
        except outages.ERRORS:
            self._was_away = True
            raise
        self._was_away = False

    def _look_around(self) -> None:
        now = timezone.now()
        deadlines.end_overdue(now)
        close_unanswerable(now)
        for sweep in self._sweeps:
            sweep(now)
        # Skip this worker's own jobs: the clock may have jumped since their last heartbeat. Skip stale jobs after the
        # database was unavailable: no worker could write a heartbeat meanwhile.
        own = {job.pk for job in self._jobs()}
        abandoned = {job for job in Job.objects.stale(now) if job.pk not in own and not self._was_away}
        abandoned |= {job for job in Job.objects.running() if self._is_dead_neighbour(job.worker)}
        for job in abandoned:
            logger.warning("Took up %s, left by worker %s.", job, job.worker)
            if job.attempts >= MAX_ATTEMPTS:
                endings.crashed(job, f"and its worker; the step was started {job.attempts} times")
            else:
                Job.objects.put_back(job, run_after=now)

    def _jobs(self) -> list[Job]:
        """Return the jobs that run in this worker's lanes."""
        return [] if self._lanes is None else self._lanes.jobs

    def _is_anything_left(self) -> bool:
        return Job.objects.startable().filter(kind__in=self._kinds).unfinished().exists()

    def _is_dead_neighbour(self, worker: str) -> bool:
        host, pid, _ = worker.split(":")
        if host != socket.gethostname() or worker == self.name:
            return False
        if int(pid) == os.getpid():  # an earlier process with the same process id
            return True
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False
