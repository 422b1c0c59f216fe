"""Background steps, and workers' signs of life. The table of jobs is the queue: the transaction that causes a step
inserts the step's row.
"""

from __future__ import annotations

import datetime
import os
import socket
import uuid
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, models, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, When
from django.utils import timezone

from labeling.models import job_kinds
from labeling.models.job_kinds import (
    BINDING_KINDS,
    KINDS_IN_TURN,
    LONG_KINDS,
    LOOP_KINDS,
    PATIENT_KINDS,
    URGENT_KINDS,
    JobKind,
)
from labeling.models.removals import Removal

if TYPE_CHECKING:
    from labeling.models.batches import Batch
    from labeling.models.projects import Project

HEARTBEAT_SECONDS = 3
# A worker without a heartbeat for this long counts as dead.
STALE_SECONDS = 30
# From this attempt on, a step is suspected when its worker dies: it may kill its worker each time.
MAX_ATTEMPTS = 10
# The time that steps which bind items wait for an erasure: a damaged file may keep it from its end.
ERASURE = datetime.timedelta(minutes=10)
# Tries of an insert that conflicts with a waiting job which a worker takes at the same moment.
ENQUEUE_TRIES = 5


def worker_name() -> str:
    """Return a unique name for a process that runs jobs. Its host and process id tell other workers whether it still
    runs.
    """
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


class JobQuerySet(models.QuerySet["Job"]):
    def waiting(self) -> JobQuerySet:
        return self.filter(state=Job.State.WAITING)

    def of_the_loop(self) -> JobQuerySet:
        """Return jobs of kinds that a batch waits for."""
        return self.filter(kind__in=LOOP_KINDS)

    def awaited(self) -> JobQuerySet:
        """Return jobs of kinds that a batch, annotators or managers wait for."""
        return self.exclude(kind__in=PATIENT_KINDS)

    def running(self) -> JobQuerySet:
        return self.filter(state=Job.State.RUNNING)

    def unfinished(self) -> JobQuerySet:
        return self.filter(state__in=[Job.State.WAITING, Job.State.RUNNING])

    def keep_waiting(self) -> bool:
        """Lock the waiting ones of these unfinished jobs, so that no worker takes them until the transaction ends.
        Return False if a worker runs one of them, or takes it at this moment.

        It waits for no other transaction: a step that ends has locked its job, and may wait for the project.
        """
        waiting = self.waiting().select_for_update(no_key=True, skip_locked=True).values_list("pk", flat=True)
        return len(waiting) == self.count()

    def startable(self) -> JobQuerySet:
        """Return jobs of projects that are neither archived nor deleted."""
        return self.filter(project__archived_at=None, project__deleted_at=None)

    def due(self, now: datetime.datetime) -> JobQuerySet:
        """Return jobs that a worker can begin now, in the order in which workers take them.

        Urgent steps come first and patient steps last (`JobKind.awaited_by`). Among equals, steps of projects without a
        running job come first, then short steps: so workers spread over projects, and few steps wait for a training. Of
        the kinds that run in turn, only a project's oldest unfinished job is due. Kinds that bind items wait until the
        project's items are erased that are to be erased at once, for `ERASURE` at most.
        """
        busy = Exists(Job.objects.running().filter(project=OuterRef("project")))
        before = Job.objects.unfinished().filter(
            project=OuterRef("project"), kind=OuterRef("kind"), pk__lt=OuterRef("pk")
        )
        ready = self.startable().waiting().filter(run_after__lte=now)
        ready = ready.exclude(Q(kind__in=KINDS_IN_TURN) & Exists(before))
        asked = Removal.objects.at_once().filter(item__project=OuterRef("project"), created_at__gt=now - ERASURE)
        ready = ready.exclude(Q(kind__in=BINDING_KINDS) & Exists(asked))
        ready = ready.annotate(busy=busy, long=_is_in(LONG_KINDS), patient=_is_in(PATIENT_KINDS))
        return ready.order_by("-urgent", "patient", "busy", "long", "run_after", "pk")

    def stale(self, now: datetime.datetime) -> JobQuerySet:
        return self.running().filter(heartbeat_at__lte=now - datetime.timedelta(seconds=STALE_SECONDS))

    def enqueue(
        self,
        kind: str,
        *,
        project: Project,
        batch: Batch | None = None,
        occasion: str = "",
        cause: Cause | None = None,
        delay_seconds: float = 0,
    ) -> Job:
        """Enqueue a step and return its job, or the equal job that exists. Call inside the transaction that causes it.

        A batch has one job of a kind, or one for each `occasion`, such as the moment of its completion. A project
        without `batch` gets a new job unless an equal one waits. That waiting job stays locked until the transaction
        ends, because a worker that took it earlier would not read the rows of its cause.

        Parameters
        ----------
        cause
            The step's own row, if it has one, such as an import. It gets one job, stored in `cause.job`.
        """
        if cause is not None:
            if cause.job is not None:
                return cause.job
            occasion = f"{cause._meta.model_name} {cause.pk}"
        run_after = timezone.now() + datetime.timedelta(seconds=delay_seconds)
        same = {"project": project, "kind": kind, "batch": batch, "occasion": occasion}
        job = self._enqueue(same, urgent=kind in URGENT_KINDS, run_after=run_after)
        if cause is not None:
            cause.job = job
            cause.save(update_fields=["job"])  # type: ignore[misc]
        return job

    def _enqueue(self, same: dict[str, Any], **values: Any) -> Job:
        for _ in range(ENQUEUE_TRIES):
            try:
                with transaction.atomic():
                    return self.create(**same, **values)
            except IntegrityError:
                jobs = self.filter(**same)
                job = (jobs if same["batch"] else jobs.waiting().select_for_update(no_key=True)).first()
                if job is not None:
                    return job
        # Each time, a worker took the waiting job before this transaction could lock it.
        return self.create(**same, **values)

    def take(self, job: Job, worker: str, now: datetime.datetime) -> bool:
        """Assign the job to `worker`, unless it has changed since it was read. Return False if it has, or if a
        constraint allows no second running job of its kind.
        """
        try:
            with transaction.atomic():
                taken = self.filter(pk=job.pk, state=job.state, worker=job.worker, attempts=job.attempts).update(
                    state=Job.State.RUNNING,
                    worker=worker,
                    attempts=F("attempts") + 1,
                    heartbeat_at=now,
                    started_at=now,
                    phase="",
                    share=0,
                    detail="",
                    reason="",
                )
        except IntegrityError:  # the project's other job of the kind is still running
            return False
        if taken:
            job.refresh_from_db()
        return bool(taken)

    def held(self, job: Job) -> JobQuerySet:
        """Return the job's row, if this attempt still holds it. Every write of a worker filters by this."""
        return self.running().filter(pk=job.pk, worker=job.worker, attempts=job.attempts)

    def ended_by(self, job: Job) -> JobQuerySet:
        """Return the job's row, if this attempt has ended it."""
        ended = self.filter(state__in=[Job.State.DONE, Job.State.FAILED])
        return ended.filter(pk=job.pk, worker=job.worker, attempts=job.attempts)

    def begin_anew(self) -> int:
        """Let these jobs wait for a first attempt, now. Return their number."""
        return self.update(
            state=Job.State.WAITING,
            worker="",
            attempts=0,
            deaths=0,
            reason="",
            run_after=timezone.now(),
            finished_at=None,
        )

    def put_back(self, job: Job, **fields: Any) -> None:
        """Move a held job back to waiting. If an equal job waits already, mark this one as done instead."""
        try:
            with transaction.atomic():
                self.held(job).update(state=Job.State.WAITING, worker="", **fields)
        except IntegrityError:
            self.held(job).update(state=Job.State.DONE, reason="", finished_at=timezone.now())


def _is_in(kinds: list[str]) -> Case:
    """Return an expression for sorting: 1 for jobs of these kinds, 0 for others."""
    return Case(When(kind__in=kinds, then=1), default=0, output_field=models.IntegerField())


class Job(models.Model):
    """One background step with its heartbeat. Constraints allow one row for each step and cause."""

    Kind = job_kinds.Kind

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    admin_columns = ("project", "kind", "state", "phase", "share", "attempts", "reason", "started_at", "finished_at")

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=10)
    batch = models.ForeignKey("labeling.Batch", null=True, on_delete=models.CASCADE, related_name="jobs")
    occasion = models.CharField(
        max_length=100, blank=True, default="", db_default="", help_text="Which of several causes of its kind it has."
    )
    urgent = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    run_after = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    deaths = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often its process died since it began anew."
    )
    worker = models.CharField(max_length=200, blank=True)
    heartbeat_at = models.DateTimeField(null=True)
    phase = models.CharField(max_length=100, blank=True)
    share = models.FloatField(default=0, help_text="Done so far, from 0 to 1.")
    detail = models.CharField(max_length=100, blank=True, help_text="Of the phase: how a training fares, for example.")
    reason = models.CharField(max_length=500, blank=True, help_text="Why it failed.")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["batch", "kind", "occasion"], condition=Q(batch__isnull=False), name="one_job_per_batch_step"
            ),
            models.UniqueConstraint(
                fields=["project", "kind", "occasion"],
                condition=Q(batch__isnull=True, state="waiting"),
                name="one_of_its_kind_waiting",
            ),
            models.UniqueConstraint(
                fields=["project", "kind", "occasion"],
                condition=Q(batch__isnull=True, state="running"),
                name="one_of_its_kind_running",
            ),
            models.UniqueConstraint(
                fields=["project", "kind"],
                condition=Q(kind__in=KINDS_IN_TURN, state="running"),
                name="one_running_in_turn",
            ),
        ]
        indexes = [
            models.Index(
                fields=["state", "run_after"],
                condition=Q(state__in=["waiting", "running"]),
                name="job_unfinished",
            )
        ]

    def __str__(self) -> str:
        """Return the kind, the id and the project, without a query: log lines need it while the database is
        unavailable.
        """
        project = self._state.fields_cache.get("project")
        return f"{self.kind} (job {self.pk} of project {project.slug if project else self.project_id})"

    @property
    def facts(self) -> JobKind:
        """The declaration of the job's kind."""
        return job_kinds.Kind(self.kind).facts

    def silent_since(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return the last heartbeat of a running job, if its worker counts as dead; otherwise None."""
        if self.state != Job.State.RUNNING or self.heartbeat_at is None:
            return None
        return self.heartbeat_at if self.heartbeat_at <= now - datetime.timedelta(seconds=STALE_SECONDS) else None

    @property
    def spends_privacy(self) -> bool:
        """Whether each start of the step spends privacy budget."""
        return self.facts.spends_privacy and self.project.privacy_epsilon is not None

    @property
    def took(self) -> datetime.timedelta | None:
        return self.finished_at - self.started_at if self.finished_at and self.started_at else None


class Cause(models.Model):
    """A row with a step of its own, such as an import. Deleting the row deletes its job, and deleting the job deletes
    the row.
    """

    job: models.OneToOneField[Job | None, Job | None]
    reason = models.CharField(max_length=500, blank=True, help_text="Why it failed.")

    class Meta:
        abstract = True

    def step_failed(self, reason: str) -> None:
        """Record that the row's step failed, and why. Called when it fails."""
        rows = type(self)._default_manager.filter(pk=self.pk)
        rows.update(state="failed", reason=reason[:500], finished_at=timezone.now())  # type: ignore[misc]

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        job = self.job
        return super().delete(*args, **kwargs) if job is None else job.delete()


class WorkerSign(models.Model):
    """The time of a worker's last sign of life. Rows older than a day are removed."""

    name = models.CharField(max_length=300, primary_key=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}, seen at {self.seen_at:%Y-%m-%d %H:%M:%S}"
