"""The worker: takes due jobs, has their steps run, and looks after what is no step.

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
from types import FrameType
from typing import TypeVar

from django.utils import timezone

from labeling import database
from labeling.loop import deadlines, endings, rechecks, running
from labeling.loop.lanes import Lanes
from labeling.loop.meanwhile import Meanwhile
from labeling.loop.step import Step
from labeling.metrics import JOB_SECONDS
from labeling.models import Job
from labeling.models.jobs import HEARTBEAT_SECONDS, MAX_ATTEMPTS, JobQuerySet, worker_name

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

POLL_SECONDS = 0.2
LOOK_AROUND_SECONDS = 5.0


class Worker:
    """Runs background steps until it is told to stop.

    `run_step` does the work of one of them, in this process, one after the other; with `lanes`, processes of their own
    do it, several at a time. `sweeps` look after what is no step, at a given time: they remove what has been kept long
    enough, or recount. `kinds`: those of the steps that it runs; others are left to other workers.
    """

    def __init__(
        self,
        run_step: Callable[[Step], None],
        *,
        sweeps: Sequence[Callable[[datetime.datetime], None]] = (),
        drain: bool = False,
        kinds: Collection[str] = tuple(Job.Kind),
        lanes: Lanes | None = None,
    ) -> None:
        self._run_step = run_step
        self._sweeps = sweeps
        self.name = worker_name()
        self.drain = drain
        self._kinds = kinds
        self._lanes = lanes
        self._stop = threading.Event()
        self._was_away = False
        """Whether the database did not answer when this worker last looked around."""

    def stop(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """End after the present steps; a second call ends at once (the steps are picked up by the next worker)."""
        if self._stop.is_set():
            raise SystemExit(1)
        self._stop.set()
        if self._lanes is not None:
            self._lanes.stop()

    def run(self) -> None:
        """Work until stopped; with `drain`, until nothing is left to do."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        for kind in Job.Kind:  # what begins at 1 has not risen, and an alert would miss the first
            JOB_SECONDS.labels(kind, "failed")
        logger.info("Worker %s is ready.", self.name)
        self._until_answered(self.look_around)
        # Beside the steps: a training of hours must not put off the deadlines of other projects.
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
        """Begin what is due, and `wait` a little whenever nothing can begin."""
        while not self._stop.is_set():
            if self._until_answered(self.run_next):
                continue
            if self.drain and not self._jobs() and not self._until_answered(self._is_anything_left):
                return
            wait()

    def run_next(self) -> bool:
        """Run one due job, if there is one, or have it begun. Returns whether there was."""
        now = timezone.now()
        # Asked five times a second, mostly in vain: to put jobs in order costs more than ten times as much.
        if not Job.objects.waiting().filter(run_after__lte=now).exists():
            return False
        due = self._mine(Job.objects.due(now).select_related("project"))
        if self._lanes is not None:
            due = self._lanes.startable(due)
        for job in due[:5]:
            project = job.project
            if Job.objects.take(job, self.name, now):
                job.project = project  # what is in memory needs no database that may be away
                if self._lanes is None:
                    self.execute(Step(job, stopping=self._stop.is_set, kinds=self._kinds))
                else:
                    self._lanes.start(job)
                return True
        return False

    def execute(self, step: Step) -> None:
        """Run a step here whose job this process holds; whatever happens, the job's row says so afterwards."""
        job, started = step.job, time.monotonic()
        with Meanwhile(HEARTBEAT_SECONDS, lambda: Job.objects.held(job).update(heartbeat_at=timezone.now())):
            outcome = running.run(step, self._run_step, self._stop)
        JOB_SECONDS.labels(job.kind, outcome).observe(time.monotonic() - started)

    def look_around(self) -> None:
        """Put jobs of dead workers back into the queue, end overdue batches, sweep."""
        try:
            self._look_around()
        except database.ERRORS:
            self._was_away = True
            raise
        self._was_away = False

    def _look_around(self) -> None:
        now = timezone.now()
        deadlines.end_overdue(now)
        rechecks.let_go(now)
        for sweep in self._sweeps:
            sweep(now)
        # Not its own: the clock may have jumped since the last heartbeat. Nor any right after the database was away: it
        # was for the heartbeats of all workers.
        own = {job.pk for job in self._jobs()}
        abandoned = {job for job in Job.objects.stale(now) if job.pk not in own and not self._was_away}
        abandoned |= {job for job in Job.objects.running() if self._is_dead_neighbour(job.worker)}
        for job in abandoned:
            logger.warning("Took up %s, left by worker %s.", job, job.worker)
            if job.attempts >= MAX_ATTEMPTS:
                endings.fail(
                    job, f"The step was started {job.attempts} times, and its worker died: see its log, then retry."
                )
            else:
                Job.objects.put_back(job, run_after=now)

    def _jobs(self) -> list[Job]:
        """The jobs that run in its lanes."""
        return [] if self._lanes is None else self._lanes.jobs

    def _is_anything_left(self) -> bool:
        return self._mine(Job.objects.startable()).unfinished().exists()

    def _mine(self, jobs: JobQuerySet) -> JobQuerySet:
        return jobs.filter(kind__in=self._kinds)

    def _until_answered(self, ask: Callable[[], Answer]) -> Answer | None:
        return database.until_answered(ask, self._stop)

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
