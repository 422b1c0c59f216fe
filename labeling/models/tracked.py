"""Entries of model versions in MLflow's registry."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from labeling.models.jobs import Cause


class TrackedVersion(Cause):
    """The request of a member to register a version in MLflow, and its result. A later request takes its place."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        FAILED = "failed"

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="tracked_versions")
    version = models.OneToOneField("labeling.ModelVersion", on_delete=models.CASCADE, related_name="tracked")
    job = models.OneToOneField("labeling.Job", null=True, on_delete=models.CASCADE, related_name="tracked")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it failed.")
    model_name = models.CharField(max_length=250, blank=True, help_text="The registered model in MLflow.")
    model_version = models.PositiveIntegerField(null=True, help_text="Its version there.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.version} in MLflow ({self.state})"

    def step_failed(self, reason: str) -> None:
        TrackedVersion.objects.filter(pk=self.pk).update(
            state=TrackedVersion.State.FAILED, reason=reason[:500], finished_at=timezone.now()
        )
