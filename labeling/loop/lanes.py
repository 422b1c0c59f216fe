"""Where a worker's steps run: in processes of their own, several at a time, each within limits of time and memory.

The worker's process takes jobs, keeps their heartbeats and watches the processes; it computes nothing itself. So a step
that hangs, eats memory or dies takes nothing with it, and can be ended at any time: steps can be killed at any
instruction.
"""

from __future__ import annotations

import json
import logging
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

from labeling import database, logs
from labeling.loop import causes, endings, memory, turns
from labeling.loop.child import Child
from labeling.loop.forks import ForkServer
from labeling.loop.meanwhile import Meanwhile
from labeling.metrics import JOB_SECONDS
from labeling.models import Job
from labeling.models.job_kinds import PATIENT_KINDS, SPENDING_KINDS
from labeling.models.jobs import HEARTBEAT_SECONDS, JobQuerySet

logger = logging.getLogger(__name__)

COSTLY = Q(kind__in=SPENDING_KINDS, project__privacy_epsilon__isnull=False)
"""Steps whose every start costs more than time: a private training spends some of its budget. They are never moved, and
never begin in the last free lane.
"""

# How often the limits are looked at: what a step can allocate meanwhile has to fit into the rest of the memory.
LIMITS_SECONDS = 0.2
# A process beyond the first that had nothing to do for this long is ended.
SPARE_SECONDS = 60.0
# How long processes without a step may take to end.
LAST_SECONDS = 4.0
# A process that has kept more than this share of the limit is not used for another step.
MOST_KEPT = 0.25
MB = 1024 * 1024
# Of the memory that there is, so much is for the steps of a worker.
SHARE_OF_MEMORY = 0.75


@dataclass(frozen=True, slots=True)
class Limits:
    """What steps may take: seconds each, and bytes all together."""

    seconds: float
    memory: int

    @classmethod
    def of(cls, *, seconds: float, megabytes: int) -> Limits:
        """`megabytes`: 0 stands for three quarters of what this machine or container has."""
        return cls(seconds, megabytes * MB or int(memory.there_is() * SHARE_OF_MEMORY))


Ending = Callable[[Job], str]


class Lane:
    """A process, and the step that it runs."""

    def __init__(self, pid: int, line: Connection) -> None:
        self.pid = pid
        self.line = line
        self.job: Job | None = None
        self.settings: Any = None
        self.ending: Ending | None = None
        """Why it is being ended, if it is: how the job ends then."""
        self.since = time.monotonic()
        """When it began the step, or had done the last one."""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since


class Lanes:
    """Up to `most` processes that run one step each, of one project each. A context: they end with it."""

    def __init__(self, child: Child, *, most: int, threads: int, limits: Limits) -> None:
        """To be made before this process starts threads. `threads`: for all steps together to compute with."""
        self._forks = ForkServer(child.serve)
        self._shared = memory.own(self._forks.pid)
        self._most = most
        self._threads = threads
        self._limits = limits
        self._lanes: list[Lane] = []
        self._moved: dict[int, int] = {}
        """By the key of a job: how often its step had to make room for others."""
        self._lock = threading.RLock()
        self._stop = threading.Event()

    def __enter__(self) -> Lanes:
        self._open()  # the first step does not wait for it
        return self

    def __exit__(self, *exc: object) -> None:
        idle = [lane for lane in self._lanes if lane.job is None]
        for lane in idle:
            with socket.socket(fileno=os.dup(lane.line.fileno())) as line, suppress(OSError):
                line.shutdown(socket.SHUT_WR)
        until = time.monotonic() + LAST_SECONDS
        for lane in idle:  # they send their last spans
            wait([lane.line], max(0, until - time.monotonic()))
        for lane in list(self._lanes):
            self._close(lane)
        self._forks.close()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Limits and heartbeats are looked after while the block runs."""
        with ExitStack() as stack:
            stack.enter_context(Meanwhile(LIMITS_SECONDS, self._look_at_limits))
            stack.enter_context(Meanwhile(HEARTBEAT_SECONDS, self._look_at_jobs))
            yield

    @property
    def jobs(self) -> list[Job]:
        """The lanes that run a step."""
        return [lane.job for lane in list(self._lanes) if lane.job is not None]

    def startable(self, due: JobQuerySet) -> JobQuerySet:
        """Those of the jobs that may begin now: one of a project at a time, and one lane is kept for short steps. What
        nobody waits for leaves the processor to a step that may be short.
        """
        running = self._running()
        free = self._most - len(running)
        if free < 1 or self._stop.is_set():
            return due.none()
        due = due.exclude(project__in=[job.project_id for _, job in running])
        if not turns.may_begin_long(free, self._most):
            due = due.exclude(Q(pk__in=list(self._moved)) | COSTLY)
        if any(lane.seconds < turns.QUICK_SECONDS and job.kind not in PATIENT_KINDS for lane, job in running):
            due = due.exclude(kind__in=PATIENT_KINDS)
        return due

    def start(self, job: Job) -> None:
        """Begin the step of a job that was just taken, and whose project is loaded."""
        running = len(self._running())
        order = {
            "job": job.pk,
            "worker": job.worker,
            "attempt": job.attempts,
            "threads": max(1, self._threads // (running + 1)),
        }
        while True:
            lane = next((each for each in self._lanes if each.job is None and each.ending is None), None)
            lane = lane or self._open()
            try:
                lane.line.send_bytes(json.dumps(order).encode())
            except OSError:  # it has died without work
                self._close(lane)
                continue
            break
        # The job last: from then on other threads look at the lane.
        lane.since, lane.settings = time.monotonic(), causes.settings_of(job.kind, job.project)
        lane.job = job

    def wait(self, seconds: float) -> None:
        """Wait until a step ends, at most for so long, and settle the jobs of steps that have ended."""
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
        """Tell the steps that the worker wants to end. Steps that can be resumed stop soon."""
        self._stop.set()
        for lane in list(self._lanes):
            with suppress(ProcessLookupError):
                os.kill(lane.pid, signal.SIGTERM)

    def _running(self) -> list[tuple[Lane, Job]]:
        return [(lane, lane.job) for lane in list(self._lanes) if lane.job is not None]

    def _open(self) -> Lane:
        lane = Lane(*self._forks.fork())
        self._lanes.append(lane)
        return lane

    def _close(self, lane: Lane) -> int:
        """End its process. Returns the exit status."""
        with self._lock:
            self._lanes.remove(lane)
        lane.line.close()
        return self._forks.end(lane.pid)

    def _spare(self) -> list[Lane]:
        """Those without a step that are not needed: one is kept for the next step."""
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
        """Its process has ended: the job's row says why."""
        status, job = self._close(lane), lane.job
        if job is None:
            return
        ending = lane.ending or partial(endings.died, status=status)
        with logs.about(job_id=job.pk, job_kind=job.kind, project_id=job.project_id):
            outcome = database.until_answered(partial(ending, job), self._stop) or "lost"
        self._count(job, outcome, lane.seconds)

    def _count(self, job: Job, outcome: str, seconds: float) -> None:
        JOB_SECONDS.labels(job.kind, outcome).observe(seconds)
        if outcome in ("done", "failed"):
            self._moved.pop(job.pk, None)

    def _look_at_limits(self) -> None:
        """End steps that take too long or too much memory. Asks no database: it may be away."""
        running = self._running()
        for lane, job in running:
            if lane.seconds > self._limits.seconds:
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
        """Bytes that its process takes, and those that it has started, beyond what all of them share."""
        return max(0, memory.taken_by(lane.pid) - self._shared)

    def _look_at_jobs(self) -> None:
        """Keep the heartbeats. End steps whose job is lost or whose settings have changed, and one that has to make
        room.
        """
        for lane, job in self._running():
            if not Job.objects.held(job).update(heartbeat_at=timezone.now()):
                self._end(lane, job, endings.lost)
            elif not causes.stands(job, lane.settings):
                self._end(lane, job, endings.changed)
        self._make_room()

    def _make_room(self) -> None:
        running = self._running()
        if self._most - len(running) > 1:
            return
        due = Job.objects.due(timezone.now()).exclude(project__in=[job.project_id for _, job in running])
        long = Q(pk__in=list(self._moved)) | COSTLY
        turn = turns.to_move(
            [
                turns.Turn(job.pk, lane.seconds, self._moved.get(job.pk, 0), fixed=_is_costly(job))
                for lane, job in running
            ],
            self._most,
            new_waits=due.exclude(long).exists(),
            long_waits=due.filter(long).exists(),
        )
        for lane, job in running:
            if turn is not None and turn.job == job.pk:
                self._moved[job.pk] = turn.moved + 1
                self._end(lane, job, endings.moved)

    def _end(self, lane: Lane, job: Job, ending: Ending) -> None:
        """Kill the process, unless it has ended or runs another step by now. `wait` sees to the rest."""
        with self._lock:
            if lane in self._lanes and lane.job is job and lane.ending is None:
                lane.ending = ending
                with suppress(ProcessLookupError):
                    os.kill(lane.pid, signal.SIGKILL)


def _is_costly(job: Job) -> bool:
    return job.facts.spends_privacy and job.project.privacy_epsilon is not None
