"""Runs in which a model version predicts a file of items. The items do not enter the project."""

from __future__ import annotations

import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from labeling.models.file_owners import FileOwner
from labeling.models.jobs import Cause

# Results are kept for download this long.
KEPT = datetime.timedelta(days=7)


class PredictionRunQuerySet(models.QuerySet["PredictionRun"]):
    def unfinished(self) -> PredictionRunQuerySet:
        return self.filter(state__in=[PredictionRun.State.WAITING, PredictionRun.State.RUNNING])

    def expired(self, now: datetime.datetime) -> PredictionRunQuerySet:
        return self.filter(finished_at__lte=now - KEPT)

    def kept(self, now: datetime.datetime) -> PredictionRunQuerySet:
        """Return runs whose result has not expired, the newest first."""
        return self.exclude(finished_at__lte=now - KEPT).order_by("-pk")


class PredictionRun(Cause, FileOwner):
    """One file that a version predicts. `position` counts the processed records, `size` the valid bytes of the result;
    an interrupted run continues there.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    noun = "predictions"
    whole = Q(state=State.DONE)
    admin_columns = ("project", "version", "name", "state", "predicted", "rejected", "created_at")

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="predictions")
    version = models.ForeignKey("labeling.ModelVersion", on_delete=models.CASCADE, related_name="predictions")
    job = models.OneToOneField("labeling.Job", null=True, on_delete=models.CASCADE, related_name="prediction")
    name = models.CharField(max_length=200, help_text="The file's name, as people know it.")
    path = models.CharField(max_length=1000, help_text="Where it lies until it is done.")
    probabilities = models.BooleanField(default=False, help_text="Each row also has the probability of every class.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it failed.")
    position = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(null=True)
    predicted = models.PositiveBigIntegerField(default=0)
    rejected = models.PositiveBigIntegerField(default=0)
    rejections = models.JSONField(default=list, help_text="The first rows that were left out: where, and the reason.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects = PredictionRunQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"

    def step_failed(self, reason: str) -> None:
        PredictionRun.objects.filter(pk=self.pk).update(
            state=PredictionRun.State.FAILED, reason=reason[:500], finished_at=timezone.now()
        )

    @property
    def expires_at(self) -> datetime.datetime | None:
        """The time of the run's removal; None while it is unfinished."""
        return self.finished_at and self.finished_at + KEPT
