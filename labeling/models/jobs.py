"""Background steps. The table is the queue: a step is due because the transaction that caused it wrote its row."""

from __future__ import annotations

import datetime
import os
import socket
import uuid
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, models, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, When
from django.utils import timezone

if TYPE_CHECKING:
    from labeling.models.batches import Batch
    from labeling.models.imports import ItemImport
    from labeling.models.predictions import PredictionRun
    from labeling.models.projects import Project

HEARTBEAT_SECONDS = 3
# A worker that has not been heard of for this long is taken for dead.
STALE_SECONDS = 30
# A step that brings its worker down each time must not be tried for ever.
MAX_ATTEMPTS = 10
# Another worker may take a waiting step up while one more is enqueued; so often in a row is no accident.
ENQUEUE_TRIES = 5


def worker_name() -> str:
    """A name for a process that runs jobs: its host and number tell a successor whether it still lives."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


# Kinds of steps that a batch, and with it people, wait for.
LOOP_KINDS = ("train", "embed", "cluster", "select")
# What serves people who are at work comes before what nobody waits for.
URGENT_KINDS = (*LOOP_KINDS, "repick", "replace", "relabel")
# Kinds of steps of the project, not of one batch: one may run while the next one waits for what arrives meanwhile.
RECURRING_KINDS = ("encode", "repick", "replace", "relabel")
# Kinds of steps that nobody waits for.
PATIENT_KINDS = ("survey", "baseline", "calibrate", "mislabeled", "rebuild")


class JobQuerySet(models.QuerySet["Job"]):
    def waiting(self) -> JobQuerySet:
        return self.filter(state=Job.State.WAITING)

    def of_the_loop(self) -> JobQuerySet:
        """The steps that a batch waits for."""
        return self.filter(kind__in=LOOP_KINDS)

    def awaited(self) -> JobQuerySet:
        """The steps that somebody waits for."""
        return self.exclude(kind__in=[*PATIENT_KINDS, "replace"])

    def running(self) -> JobQuerySet:
        return self.filter(state=Job.State.RUNNING)

    def unfinished(self) -> JobQuerySet:
        return self.filter(state__in=[Job.State.WAITING, Job.State.RUNNING])

    def startable(self) -> JobQuerySet:
        """Those of projects that are neither archived nor deleted."""
        return self.filter(project__archived_at=None, project__deleted_at=None)

    def due(self, now: datetime.datetime) -> JobQuerySet:
        """Jobs that can be taken up now, in the order in which workers take them.

        The loop's steps come first, for people wait for them, and last what nobody waits for; then projects that no
        other worker is at; then what is short, which a training is not. So several workers are shared out fairly, and
        none waits for a training without need. A project's trainings come one after the other.
        """
        busy = Exists(Job.objects.running().filter(project=OuterRef("project")))
        long = Case(
            When(kind__in=[Job.Kind.TRAIN, Job.Kind.REPICK], then=1), default=0, output_field=models.IntegerField()
        )
        patient = Case(When(kind__in=PATIENT_KINDS, then=1), default=0, output_field=models.IntegerField())
        before = Job.objects.unfinished().filter(
            project=OuterRef("project"), kind=Job.Kind.TRAIN, pk__lt=OuterRef("pk")
        )
        ready = self.startable().waiting().filter(run_after__lte=now).exclude(Q(kind=Job.Kind.TRAIN) & Exists(before))
        ready = ready.annotate(busy=busy, long=long, patient=patient)
        return ready.order_by("-urgent", "patient", "busy", "long", "run_after", "pk")

    def stale(self, now: datetime.datetime) -> JobQuerySet:
        return self.running().filter(heartbeat_at__lte=now - datetime.timedelta(seconds=STALE_SECONDS))

    def enqueue(
        self,
        kind: str,
        *,
        project: Project,
        batch: Batch | None = None,
        item_import: ItemImport | None = None,
        prediction: PredictionRun | None = None,
        delay_seconds: float = 0,
    ) -> Job:
        """Make the step due; if it already is, return what is there. Call inside the transaction that causes it.

        A step that waits already is held until that transaction ends: taken up before, it would not see what causes it.
        """
        run_after = timezone.now() + datetime.timedelta(seconds=delay_seconds)
        cause = {"batch": batch, "item_import": item_import, "prediction": prediction}
        values = {"project": project, "kind": kind, **cause}
        for _ in range(ENQUEUE_TRIES):
            try:
                with transaction.atomic():
                    return self.create(**values, urgent=kind in URGENT_KINDS, run_after=run_after)
            except IntegrityError:
                same = self.filter(**values)
                there = (same if any(cause.values()) else same.waiting().select_for_update(no_key=True)).first()
                if there is not None:
                    return there
        # Each time, the one that waited was taken up before it could be held.
        return self.create(**values, urgent=kind in URGENT_KINDS, run_after=run_after)

    def take(self, job: Job, worker: str, now: datetime.datetime) -> bool:
        """Give the job, as it was read, to `worker`. False if somebody else was quicker."""
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
        except IntegrityError:  # the project's other one of the kind is still running
            return False
        if taken:
            job.refresh_from_db()
        return bool(taken)

    def held(self, job: Job) -> JobQuerySet:
        """The job's row as long as this attempt holds it: what every write of a worker goes through."""
        return self.running().filter(pk=job.pk, worker=job.worker, attempts=job.attempts)

    def put_back(self, job: Job, **fields: Any) -> None:
        """Let a held job wait again. Where the same step waits already, that one does what is left of this."""
        try:
            with transaction.atomic():
                self.held(job).update(state=Job.State.WAITING, worker="", **fields)
        except IntegrityError:
            self.held(job).update(state=Job.State.DONE, reason="", finished_at=timezone.now())


class Job(models.Model):
    """One background step with its heartbeat. One row a step and cause, whatever happens: constraints say so."""

    class Kind(models.TextChoices):
        IMPORT = "import"
        ENCODE = "encode"
        TRAIN = "train"
        EMBED = "embed"
        CLUSTER = "cluster"
        SELECT = "select"
        REPICK = "repick"
        REPLACE = "replace"
        RELABEL = "relabel"
        SURVEY = "survey"
        PREDICT = "predict"
        BASELINE = "baseline"
        CALIBRATE = "calibrate"
        MISLABELED = "mislabeled"
        REBUILD = "rebuild"

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=10, choices=Kind)
    batch = models.ForeignKey("labeling.Batch", null=True, on_delete=models.CASCADE, related_name="jobs")
    item_import = models.ForeignKey("labeling.ItemImport", null=True, on_delete=models.CASCADE, related_name="jobs")
    prediction = models.OneToOneField("labeling.PredictionRun", null=True, on_delete=models.CASCADE, related_name="job")
    urgent = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    run_after = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
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
                fields=["batch", "kind"], condition=Q(batch__isnull=False), name="one_job_per_batch_step"
            ),
            models.UniqueConstraint(
                fields=["item_import"], condition=Q(item_import__isnull=False), name="one_job_per_import"
            ),
            models.UniqueConstraint(
                fields=["project", "kind"],
                condition=Q(kind__in=RECURRING_KINDS, state="waiting"),
                name="one_of_its_kind_waiting",
            ),
            models.UniqueConstraint(
                fields=["project", "kind"],
                condition=Q(kind__in=[*RECURRING_KINDS, "train"], state="running"),
                name="one_of_its_kind_running",
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
        """Of what is in memory: it stands in lines of the log, also while the database is away."""
        project = self._state.fields_cache.get("project")
        return f"{self.kind} (job {self.pk} of project {project.slug if project else self.project_id})"

    def silent_since(self, now: datetime.datetime) -> datetime.datetime | None:
        """When its worker was last heard of, if that is so long ago that it is taken for dead; otherwise None."""
        if self.state != Job.State.RUNNING or self.heartbeat_at is None:
            return None
        return self.heartbeat_at if self.heartbeat_at <= now - datetime.timedelta(seconds=STALE_SECONDS) else None

    @property
    def took(self) -> datetime.timedelta | None:
        return self.finished_at - self.started_at if self.finished_at and self.started_at else None
