"""Lanes: the processes that run a worker's steps, several at a time, within limits of time and memory.

The worker's process takes jobs, writes their heartbeats and watches the lanes; it computes nothing itself. So it
survives a step that hangs, crashes or takes too much memory, and can kill any step: steps can be killed at any
instruction.
"""

from __future__ import annotations

import datetime
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

from django.db.models import Q
from django.utils import timezone

from labeling.loop import endings, outside, turns
from labeling.models import Job, Removal
from labeling.models.job_kinds import PATIENT_KINDS, SPENDING_KINDS
from labeling.models.jobs import HEARTBEAT_SECONDS, JobQuerySet
from labeling.observing import logs
from labeling.observing.metrics import JOB_SECONDS
from labeling.steps.running import forks
from labeling.steps.running.forks import ForkServer
from labeling.steps.running.meanwhile import Meanwhile
from labeling.steps.running.running import Child, settings_for, unchanged
from labeling.storage.db import outages

COSTLY = Q(kind__in=SPENDING_KINDS, project__privacy_epsilon__isnull=False)
"""Private trainings, whose every start spends privacy budget. They never make room for other steps, and never begin in
the last free lane.
"""

# The interval between checks of the limits. The memory that a step allocates within it must fit beside the limit.
LIMITS_SECONDS = 0.2
# Idle processes beyond the first are ended after this time.
SPARE_SECONDS = 60.0
# The time that idle processes have to end by themselves.
LAST_SECONDS = 4.0
# After a step, a process that still takes more than this share of the memory limit is ended.
MOST_KEPT = 0.25
# The longest time that a step whose process died waits for the ends of all other steps.
ALONE = datetime.timedelta(minutes=5)
MB = 1024 * 1024
# The default memory limit, as a share of the machine's or container's memory.
SHARE_OF_MEMORY = 0.75


@dataclass(frozen=True, slots=True)
class StepLimits:
    """The limits of steps: seconds for each, bytes for all together."""

    seconds: float
    memory: int

    @classmethod
    def of(cls, *, seconds: float, megabytes: int) -> StepLimits:
        """Return the limits. `megabytes` 0 stands for three quarters of the machine's or container's memory."""
        return cls(seconds, megabytes * MB or int(forks.there_is() * SHARE_OF_MEMORY))


Ending = Callable[[Job], str]


class Lane:
    """A process of a worker, and the job that it runs."""

    def __init__(self, pid: int, line: Connection) -> None:
        self.pid = pid
        self.line = line
        self.job: Job | None = None
        self.is_outside = False
        """Whether the step asks servers outside: see `labeling.loop.outside`."""
        self.settings: Any = None
        self.ending: Ending | None = None
        """The function that ends the job, if the worker has killed the process."""
        self.unheld: Job | None = None
        """The job, if its row was no longer held when the worker last looked."""
        self.since = time.monotonic()
        """The moment at which the present step began, or the last one ended."""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since


class Lanes:
    """Processes that run one step each: up to `most` of different projects, and in addition up to `outside.PLACES` that
    ask servers outside, again of different projects. A context manager that ends them.
    """

    def __init__(self, child: Child, *, most: int, threads: int, limits: StepLimits) -> None:
        """Start without any process. Must be called before this process starts threads. `threads`: the threads that all
        steps compute with.
        """
        self._forks = ForkServer(child.serve)
        self._shared = forks.own(self._forks.pid)
        self._most = most
        self._threads = threads
        self._limits = limits
        self._lanes: list[Lane] = []
        self._moved: dict[int, int] = {}
        """By job id, how often the step had to make room for others."""
        self._lock = threading.RLock()
        self._stop = threading.Event()

    def __enter__(self) -> Lanes:
        self._open()  # now, so that the first step does not wait for a process
        return self

    def __exit__(self, *exc: object) -> None:
        idle = [lane for lane in self._lanes if lane.job is None]
        for lane in idle:
            with socket.socket(fileno=os.dup(lane.line.fileno())) as line, suppress(OSError):
                line.shutdown(socket.SHUT_WR)
        until = time.monotonic() + LAST_SECONDS
        for lane in idle:  # wait until they have sent their last spans
            wait([lane.line], max(0, until - time.monotonic()))
        for lane in list(self._lanes):
            self._close(lane)
        self._forks.close()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Enforce the limits and write heartbeats while the block runs."""
        with ExitStack() as stack:
            stack.enter_context(Meanwhile(LIMITS_SECONDS, self._look_at_limits))
            stack.enter_context(Meanwhile(HEARTBEAT_SECONDS, self._look_at_jobs))
            yield

    @property
    def jobs(self) -> list[Job]:
        """The jobs that the lanes run."""
        return [lane.job for lane in list(self._lanes) if lane.job is not None]

    def startable(self, due: JobQuerySet) -> list[tuple[JobQuerySet, bool]]:
        """Return the due jobs that may begin now: those inside, and those that ask servers outside (True).

        Of both, each project runs one step at a time, and one lane is kept for short steps. Patient steps do not begin
        while another step has run for less than `QUICK_SECONDS`. A step whose process died does not begin while another
        step takes memory, for `ALONE` at most.
        """
        if self._stop.is_set():
            return []
        return [
            (self._startable(jobs, self._running(is_outside=is_outside), most), is_outside)
            for jobs, is_outside, most in self._apart(due)
        ]

    def _apart(self, due: JobQuerySet) -> list[tuple[JobQuerySet, bool, int]]:
        """Return the due jobs inside, and those that ask servers outside, each with the number of their places."""
        return [(outside.inside(due), False, self._most), (outside.startable(due), True, outside.PLACES)]

    def _startable(self, due: JobQuerySet, running: list[tuple[Lane, Job]], most: int) -> JobQuerySet:
        free = most - len(running)
        if free < 1:
            return due.none()
        due = due.exclude(project__in=[job.project_id for _, job in running])
        if not turns.may_begin_long(free, most):
            due = due.exclude(Q(pk__in=list(self._moved)) | COSTLY)
        if any(lane.seconds < turns.QUICK_SECONDS and job.kind not in PATIENT_KINDS for lane, job in self._running()):
            due = due.exclude(kind__in=PATIENT_KINDS)
        return self._without_lonely(due)

    def _without_lonely(self, due: JobQuerySet) -> JobQuerySet:
        """Leave out jobs whose process died, and that do not begin beside others yet."""
        beside = self._running(is_outside=False)  # others take little memory, and a slow server holds them up
        return due.exclude(deaths__gt=0, run_after__gt=timezone.now() - ALONE) if beside else due

    def start(self, job: Job, *, is_outside: bool) -> None:
        """Start the step of a job that this worker has taken, project loaded. `is_outside`: from `startable`."""
        running = sum(not other.facts.waits_outside for _, other in self._running())
        order = {
            "job": job.pk,
            "worker": job.worker,
            "attempt": job.attempts,
            # Each thread takes memory, of which the step may have died.
            "threads": 1 if job.deaths else max(1, self._threads // (running + 1)),
        }
        while True:
            lane = next((each for each in self._lanes if each.job is None and each.ending is None), None)
            lane = lane or self._open()
            try:
                lane.line.send_bytes(json.dumps(order).encode())
            except OSError:  # the idle process has died
                self._close(lane)
                continue
            break
        # Set the job last: other threads examine lanes with a job.
        lane.since, lane.settings = time.monotonic(), settings_for(job.kind, job.project)
        lane.is_outside = is_outside
        lane.job = job

    def wait(self, seconds: float) -> None:
        """Wait at most this long for the end of a step, and settle the jobs of ended steps."""
        by_line = {lane.line: lane for lane in self._lanes}
        for line in wait(list(by_line), seconds):
            lane = by_line[line]  # type: ignore[index]
            try:
                outcome = lane.line.recv_bytes().decode()
            except (EOFError, OSError):
                self._after_end(lane)
            else:
                self._after_step(lane, outcome)
        for lane in self._spare():
            self._close(lane)

    def stop(self) -> None:
        """Send SIGTERM to all lanes and begin no further step. Resumable steps stop soon; others run to their end."""
        self._stop.set()
        for lane in list(self._lanes):
            with suppress(ProcessLookupError):
                os.kill(lane.pid, signal.SIGTERM)

    def _running(self, *, is_outside: bool | None = None) -> list[tuple[Lane, Job]]:
        """Return the lanes with a job; only those whose step asks servers outside, or only the others."""
        lanes = [lane for lane in list(self._lanes) if is_outside in (None, lane.is_outside)]
        return [(lane, lane.job) for lane in lanes if lane.job is not None]

    def _open(self) -> Lane:
        lane = Lane(*self._forks.fork())
        self._lanes.append(lane)
        return lane

    def _close(self, lane: Lane) -> int:
        """Remove the lane and end its process. Return the exit status."""
        with self._lock:
            self._lanes.remove(lane)
        lane.line.close()
        return self._forks.end(lane.pid)

    def _spare(self) -> list[Lane]:
        """Return the idle lanes to close: all that were idle for `SPARE_SECONDS`, except one for the next step."""
        idle = [lane for lane in self._lanes if lane.job is None]
        return [lane for lane in idle[1:] if lane.seconds > SPARE_SECONDS]

    def _after_step(self, lane: Lane, outcome: str) -> None:
        with self._lock:
            job, seconds = lane.job, lane.seconds
            lane.job, lane.since = None, time.monotonic()
        if job is not None:
            self._count(job, outcome, seconds)
        if self._size(lane) > MOST_KEPT * self._limits.memory:
            self._close(lane)

    def _after_end(self, lane: Lane) -> None:
        """End the job of a lane whose process has ended, with the reason on the job's row."""
        status, job = self._close(lane), lane.job
        if job is None:
            return
        ending = lane.ending or partial(endings.died, status=status)
        with logs.about(job_id=job.pk, job_kind=job.kind, project_id=job.project_id):
            outcome = outages.until_answered(partial(ending, job), self._stop) or "lost"
        self._count(job, outcome, lane.seconds)

    def _count(self, job: Job, outcome: str, seconds: float) -> None:
        JOB_SECONDS.labels(job.kind, outcome).observe(seconds)
        if outcome in ("done", "failed"):
            self._moved.pop(job.pk, None)

    def _look_at_limits(self) -> None:
        """Kill steps that take too long or too much memory. No query: the database may be unavailable."""
        running = self._running()
        for lane, job in running:
            if lane.is_outside and job.facts.waits_outside and lane.seconds > outside.MOST_SECONDS:
                self._end(lane, job, partial(endings.too_slow, seconds=outside.MOST_SECONDS))
            elif lane.seconds > self._limits.seconds:
                self._end(lane, job, partial(endings.too_long, seconds=self._limits.seconds))
        taken = [(self._size(lane), lane, job) for lane, job in running]
        if sum(size for size, _, _ in taken) <= self._limits.memory:
            return
        size, lane, job = max(taken, key=lambda each: each[0])
        alone = size > self._limits.memory
        self._end(
            lane, job, partial(endings.too_large if alone else endings.too_large_together, most=self._limits.memory)
        )

    def _size(self, lane: Lane) -> int:
        """Return the bytes of the lane's process and its descendants, without the bytes that all lanes share."""
        return max(0, forks.taken_by(lane.pid) - self._shared)

    def _look_at_jobs(self) -> None:
        """Write heartbeats. Kill steps that must make room, whose job is lost or whose settings have changed.

        A step that has just ended holds its job no longer, and its process says so in a moment. So a job is lost only
        if it is not held at two looks in a row, and this attempt has not ended it.
        """
        for lane, job in self._running():
            if Job.objects.held(job).update(heartbeat_at=timezone.now()):
                if not unchanged(job, lane.settings):
                    self._end(lane, job, endings.changed)
                elif lane.is_outside and lane.seconds > turns.TURN_SECONDS and Removal.objects.hold_up(job):
                    self._end(lane, job, endings.again)  # a server that drips keeps it from giving way
            elif lane.unheld is not job:
                lane.unheld = job
            elif not Job.objects.ended_by(job).exists():
                self._end(lane, job, endings.lost)
        self._make_room()

    def _make_room(self) -> None:
        for due, is_outside, most in self._apart(Job.objects.due(timezone.now())):
            running = self._running(is_outside=is_outside)
            if most - len(running) > 1:
                continue
            due = self._without_lonely(due.exclude(project__in=[job.project_id for _, job in running]))
            long = Q(pk__in=list(self._moved)) | COSTLY
            turn = turns.to_move(
                [
                    turns.Turn(job.pk, lane.seconds, self._moved.get(job.pk, 0), fixed=job.spends_privacy)
                    for lane, job in running
                ],
                most,
                new_waits=due.exclude(long).exists(),
                long_waits=due.filter(long).exists(),
            )
            for lane, job in running:
                if turn is not None and turn.job == job.pk:
                    self._moved[job.pk] = turn.moved + 1
                    self._end(lane, job, endings.moved)

    def _end(self, lane: Lane, job: Job, ending: Ending) -> None:
        """Kill the lane's process, if it still runs this job. `wait` then ends the job with `ending`."""
        with self._lock:
            if lane in self._lanes and lane.job is job and lane.ending is None:
                lane.ending = ending
                with suppress(ProcessLookupError):
                    os.kill(lane.pid, signal.SIGKILL)
