"""One run of one background step: its progress reports, its transactions and its end.

Every step has the same shape: read, pure call, one write transaction, enqueue the next step. A step that is killed at
any instruction and started again has the same result, because its writes count only with `finish`.
"""

import datetime
import logging
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cached_property

from django.db import close_old_connections, connection, transaction
from django.utils import timezone

from labeling.loop import outside
from labeling.loop.turns import MOVED, QUICK_SECONDS
from labeling.models import Batch, Job, Removal
from labeling.models.jobs import JobQuerySet
from labeling.observing.traces import NO_SPAN
from labeling.storage.db import outages
from labeling.storage.db.long_writes import keep_log_short

logger = logging.getLogger(__name__)

# A step pauses this long for an erasure: a worker begins one every five seconds.
ERASED_SECONDS = 15.0


class StepFailed(Exception):
    """The step cannot succeed until a manager acts; the message says what is wrong and how to correct it."""


class ComputeAway(Exception):
    """What computes for the step, a cluster or a server outside, does not answer now; a later try may succeed. The
    message is for managers.

    seconds: the server asks to wait for so long. moved_on: it answered earlier in this attempt, so the next wait is a
    short one again.
    """

    def __init__(self, reason: str, *, seconds: float = 0.0, moved_on: bool = False) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.moved_on = moved_on


class StepLost(Exception):
    """Another worker has taken over the job, because this worker seemed dead: the step stops and writes nothing."""


class GaveWay(Exception):
    """A patient step has stopped, because a step that a batch, annotators or managers wait for is due."""


class Step:
    """One attempt of a worker at a job."""

    # Progress is for people, so more frequent writes are useless.
    REPORT_EVERY_SECONDS = 0.5
    # A resumable step, such as a long import, gives way to urgent steps after this time, and continues later.
    SLICE_SECONDS = 5.0
    # A patient step checks this often whether an awaited step is due.
    LOOK_SECONDS = 0.5

    def __init__(
        self,
        job: Job,
        *,
        stopping: Callable[[], bool] = lambda: False,
        gives_way: bool = True,
        kinds: Collection[str] = tuple(Job.Kind),
    ) -> None:
        """Begin an attempt at a job. `stopping`: whether the worker wants to stop. `gives_way`: whether
        `should_give_way` considers urgent steps. `kinds`: the kinds of steps that the worker runs, to which this step
        can give way.
        """
        self.job = job
        self._kinds = kinds
        self._gives_way = gives_way
        self.finished = False
        self.span = NO_SPAN
        self._stopping = stopping
        self._started = time.monotonic()
        self._reported = self._looked = 0.0

    def progress(self, phase: str, *, of: str = "", start: float = 0.0, end: float = 1.0) -> Callable[[float], None]:
        """Begin a phase, and return a function that reports the finished share of it. The function raises `StepLost` if
        another worker has the job.

        Parameters
        ----------
        of: the phase's object, such as a file name from a user. Pages show it; traces contain only `phase`.
        start, end: the phase's part of the whole step, from which pages estimate the time left.
        """
        self.span.part(phase)
        name = f"{phase} {of}".rstrip()[:100]
        return lambda share: self.report(name, start + (end - start) * min(max(share, 0.0), 1.0))

    def report(self, phase: str, share: float, detail: str = "") -> None:
        """Store the present phase, the finished share of the whole step, and a detail. Writes at most every
        `REPORT_EVERY_SECONDS` in a phase. Raises `StepLost` if another worker has the job.
        """
        now = time.monotonic()
        if self.job.phase == phase and now - self._reported < self.REPORT_EVERY_SECONDS:
            return
        self._reported = now
        self.job.phase = phase
        share = min(max(share, 0.0), 1.0)
        told = {"phase": phase, "share": share, "detail": detail, "heartbeat_at": timezone.now()}
        try:
            held = Job.objects.held(self.job).update(**told)
        except outages.ERRORS as error:
            if connection.in_atomic_block or not outages.is_away(error):
                raise
            # A progress report that could not be written must not end hours of work.
            logger.warning("The progress of %s could not be written: %s", self.job, str(error).strip())
            close_old_connections()
            return
        if not held:
            raise StepLost

    @property
    def batch(self) -> Batch:
        """The job's batch. Only for kinds of steps that have one."""
        assert self.job.batch is not None
        return self.job.batch

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def should_give_way(self) -> bool:
        """Return whether a resumable step should stop now, because an urgent step is due, an erasure waits or the
        worker is stopping. A step that asks servers outside takes turns with all others that do.
        """
        if self._stopping():
            return True
        if not self._gives_way or self.seconds <= self.SLICE_SECONDS:
            return False
        if Removal.objects.hold_up(self.job):
            return True
        if self._is_outside:
            return self.seconds > outside.SLICE_SECONDS or (self.seconds > QUICK_SECONDS and self._due().exists())
        return self._due().filter(urgent=True).exists()

    def urgent_work_is_due(self) -> bool:
        """Return whether patient steps stop: an urgent step is due or has just begun, or the worker is stopping."""
        return self._stopping() or any(jobs.filter(urgent=True).exists() for jobs in (self._due(), self._beside()))

    def patiently(self, report: Callable[[], None]) -> bool:
        """Call `report` in a patient step, and check every `LOOK_SECONDS` whether an awaited step is due or has just
        begun.

        Return whether it has checked. Raises `GaveWay` if such a step exists or the worker is stopping.
        """
        report()
        if time.monotonic() - self._looked < self.LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        if self.urgent_work_is_due() or any(jobs.awaited().exists() for jobs in (self._due(), self._beside())):
            raise GaveWay
        return True

    def patient_progress(self, phase: str, *, start: float = 0.0, end: float = 1.0) -> Callable[[float], None]:
        """Begin a phase of a patient step; return a function that reports as `progress`, gives way as `patiently`."""
        report = self.progress(phase, start=start, end=end)

        def watch(share: float) -> None:
            self.patiently(lambda: report(share))

        return watch

    @cached_property
    def _is_outside(self) -> bool:
        return outside.outside(Job.objects.filter(pk=self.job.pk)).exists()

    def _alike(self, jobs: JobQuerySet) -> JobQuerySet:
        """Return those of the jobs that have the same places as this step."""
        return outside.outside(jobs) if self._is_outside else outside.inside(jobs)

    def _due(self) -> JobQuerySet:
        """Return the jobs that could begin if this step stopped. Jobs of projects that other processes of this worker
        run, and jobs that were moved out of a lane, are left out.
        """
        busy = Job.objects.running().filter(worker=self.job.worker).exclude(project=self.job.project_id)
        due = Job.objects.due(timezone.now()).filter(kind__in=self._kinds).exclude(reason=MOVED)
        alike = outside.startable(due, without=self.job) if self._is_outside else outside.inside(due)
        return alike.exclude(project__in=self._alike(busy).values("project"))

    def _beside(self) -> JobQuerySet:
        """Return the jobs that this worker began elsewhere within `QUICK_SECONDS`: they get the processor first."""
        since = timezone.now() - datetime.timedelta(seconds=QUICK_SECONDS)
        running = Job.objects.running().filter(worker=self.job.worker, started_at__gt=since)
        return self._alike(running.exclude(pk=self.job.pk))

    @contextmanager
    def write(self) -> Iterator[None]:
        """Open a transaction that commits only if this worker still holds the job."""
        with transaction.atomic():
            # An update, unlike a read, also locks the row until the commit.
            if not Job.objects.held(self.job).update(heartbeat_at=timezone.now()):
                raise StepLost
            yield
        keep_log_short()

    @contextmanager
    def finish(self) -> Iterator[None]:
        """Open the step's last transaction: it stores the results, the next step and the end of the job together."""
        with self.write():
            Job.objects.held(self.job).update(state=Job.State.DONE, share=1, finished_at=timezone.now(), reason="")
            yield
        self.finished = True

    def give_way(self) -> None:
        """Put the job back into the queue. The step's own row stores the position where it continues."""
        pause = ERASED_SECONDS if Removal.objects.hold_up(self.job) else 0
        later = timezone.now() + datetime.timedelta(seconds=pause)
        Job.objects.put_back(self.job, attempts=0, deaths=0, run_after=later)
