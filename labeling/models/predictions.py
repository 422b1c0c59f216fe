"""Predictions that are a project's rows: runs in which a model version predicts a file of items, which do not enter the
project; and sets of predictions that were made outside, for the project's own items, with the server that makes them.
"""

from __future__ import annotations

import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from labeling.models.files import FileOwner
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

    @property
    def expires_at(self) -> datetime.datetime | None:
        """The time of the run's removal; None while it is unfinished."""
        return self.finished_at and self.finished_at + KEPT


class PredictionServer(models.Model):
    """A server that speaks Label Studio's protocol for ML backends, and predicts the items of a project."""

    project = models.OneToOneField("labeling.Project", on_delete=models.CASCADE, related_name="prediction_server")
    url = models.CharField(max_length=2000)
    username = models.CharField(max_length=200, blank=True)
    password = models.TextField(blank=True, editable=False, help_text="Encrypted.")
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"server of {self.project}"


class PredictionSetQuerySet(models.QuerySet["PredictionSet"]):
    def unfinished(self) -> PredictionSetQuerySet:
        return self.filter(state__in=[PredictionSet.State.WAITING, PredictionSet.State.RUNNING])


class PredictionSet(Cause, FileOwner):
    """Predictions for the items of a project, which become a model version that picks batches.

    They come from an uploaded file or, without one, from the project's `PredictionServer`. The row owns a float32 array
    (rows, columns + dim): for each row of the pool `columns` probabilities, then an embedding of `dim` numbers.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    noun = "arrays"
    suffix = ".npy"
    whole = Q(state=State.DONE)
    admin_columns = ("project", "name", "state", "items", "version", "created_at")

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="prediction_sets")
    job = models.OneToOneField("labeling.Job", null=True, on_delete=models.CASCADE, related_name="prediction_set")
    version = models.OneToOneField(
        "labeling.ModelVersion", null=True, on_delete=models.CASCADE, related_name="prediction_set"
    )
    name = models.CharField(max_length=200, help_text="Of the file, or of the server.")
    path = models.CharField(max_length=1000, blank=True, help_text="Where the file lies until it is read.")
    owns_file = models.BooleanField(default=True, help_text="Whether the file is removed once it is read.")
    strict = models.BooleanField(
        default=True, db_default=True, help_text="Refuse predictions that do not cover all items of the pool."
    )
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it was refused.")
    asked = models.PositiveBigIntegerField(default=0, help_text="Items that the server was asked about so far.")
    answered = models.PositiveBigIntegerField(default=0, help_text="Bytes of its answers so far.")
    failures = models.PositiveSmallIntegerField(default=0, help_text="Tries in a row without an answer.")
    items = models.PositiveBigIntegerField(default=0, help_text="Items with a prediction.")
    rows = models.PositiveBigIntegerField(default=0, help_text="Of the array: those that the pool had.")
    left_out = models.PositiveBigIntegerField(
        default=0, db_default=0, help_text="Items of the pool behind the last one with a prediction."
    )
    columns = models.PositiveIntegerField(default=0)
    dim = models.PositiveIntegerField(default=0)
    margins_only = models.BooleanField(default=False, help_text="Whether it has margins, and no classes.")
    digest = models.CharField(max_length=64, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects = PredictionSetQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"
