"""One run of one background step: how it reports, and how it ends.

Every step has one shape: read, pure call, one write transaction, enqueue the next. It can be killed at any
instruction and started again with the same result, because nothing that it writes counts before `finish`.
"""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from django.db import close_old_connections, connection, transaction
from django.utils import timezone

from labeling import database
from labeling.loop.turns import MOVED, QUICK_SECONDS
from labeling.models import Job
from labeling.models.jobs import JobQuerySet
from labeling.traces import NO_SPAN

logger = logging.getLogger(__name__)


class StepFailed(Exception):
    """The step cannot succeed as things are; the message tells a manager what is wrong and what to do."""


class ComputeAway(Exception):
    """Where the step's work is computed does not answer: another try may do. The message is for a manager."""


class StepLost(Exception):
    """Another worker has taken the job over (this one was thought dead): stop, and write nothing."""


class GaveWay(Exception):
    """Work that nobody waits for has stopped, for a step that a batch waits for is due."""


class Step:
    """A job in the hands of a worker."""

    # Progress is for people: it need not be written more often than they look.
    REPORT_EVERY_SECONDS = 0.5
    # A long import gives way to the loop's steps after this time, and goes on later.
    SLICE_SECONDS = 5.0
    # What nobody waits for looks so often whether somebody waits for something else.
    LOOK_SECONDS = 0.5

    def __init__(
        self,
        job: Job,
        *,
        stopping: Callable[[], bool] = lambda: False,
        patient: bool = True,
        kinds: Collection[str] = tuple(Job.Kind),
    ) -> None:
        """`stopping` tells that the worker wants to end; a step that is not `patient` never gives way to others.
        `kinds`: those of steps that the worker runs, to which this one gives way.
        """
        self.job = job
        self._kinds = kinds
        self._patient = patient
        self.finished = False
        self.span = NO_SPAN
        self._stopping = stopping
        self._started = time.monotonic()
        self._reported = self._looked = 0.0

    def progress(self, phase: str, *, of: str = "", start: float = 0.0, end: float = 1.0) -> Callable[[float], None]:
        """Begin a phase; the returned function takes the share done. It raises `StepLost` if the job is lost.

        The phase is told to those who read traces, too; what it is `of`, such as a file that somebody named, is not.
        A step of several phases says which part of it each is, from `start` to `end`: people are told the time left of
        the whole.
        """
        self.span.part(phase)
        name = f"{phase} {of}".rstrip()[:100]
        return lambda share: self.report(name, start + (end - start) * min(max(share, 0.0), 1.0))

    def report(self, phase: str, share: float, detail: str = "") -> None:
        """The phase that the step is in, the share done of the whole step, and what more there is to tell. Raises
        `StepLost` if the job is lost.
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
        except database.ERRORS as error:
            if connection.in_atomic_block or not database.is_away(error):
                raise
            # Hours of work are not thrown away because a line for people could not be written.
            logger.warning("The progress of %s could not be written: %s", self.job, str(error).strip())
            close_old_connections()
            return
        if not held:
            raise StepLost

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def should_give_way(self) -> bool:
        """Whether a resumable step ought to stop here: more urgent work is due, or the worker is stopping."""
        if self._stopping():
            return True
        return self._patient and self.seconds > self.SLICE_SECONDS and self._due().filter(urgent=True).exists()

    def urgent_work_is_due(self) -> bool:
        """Whether a step of a loop waits or has just begun, or the worker is stopping: what nobody waits for gives way
        to it at once.
        """
        return self._stopping() or any(jobs.filter(urgent=True).exists() for jobs in (self._due(), self._beside()))

    def patiently(self, report: Callable[[], None]) -> bool:
        """Report the progress of a step that nobody waits for, and look now and then whether one is due that somebody
        waits for: then it raises `GaveWay`. Returns whether it has looked.
        """
        report()
        if time.monotonic() - self._looked < self.LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        if self.urgent_work_is_due() or any(jobs.awaited().exists() for jobs in (self._due(), self._beside())):
            raise GaveWay
        return True

    def _due(self) -> JobQuerySet:
        """What could begin if this step stopped: nothing of projects that are busy in other processes of the worker,
        and nothing that has to wait for its turn.
        """
        busy = Job.objects.running().filter(worker=self.job.worker).exclude(project=self.job.project_id)
        due = Job.objects.due(timezone.now()).filter(kind__in=self._kinds).exclude(reason=MOVED)
        return due.exclude(project__in=busy.values("project"))

    def _beside(self) -> JobQuerySet:
        """What the same worker has just begun in other processes: it is to have the processor, unless it takes long."""
        since = timezone.now() - datetime.timedelta(seconds=QUICK_SECONDS)
        running = Job.objects.running().filter(worker=self.job.worker, started_at__gt=since)
        return running.exclude(pk=self.job.pk)

    @contextmanager
    def write(self) -> Iterator[None]:
        """A transaction that commits only if this worker still holds the job."""
        with transaction.atomic():
            # The update, unlike a read, also holds the row until the commit.
            if not Job.objects.held(self.job).update(heartbeat_at=timezone.now()):
                raise StepLost
            yield
        database.keep_log_short()

    @contextmanager
    def finish(self) -> Iterator[None]:
        """The step's last transaction: its results, the next step and the job's end, all or nothing."""
        with self.write():
            Job.objects.held(self.job).update(state=Job.State.DONE, share=1, finished_at=timezone.now(), reason="")
            yield
        self.finished = True

    def give_way(self) -> None:
        """Put the job back into the queue; its own position says where to go on."""
        Job.objects.put_back(self.job, attempts=0, run_after=timezone.now())
