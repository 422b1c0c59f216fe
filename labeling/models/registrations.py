"""Files with models that were trained elsewhere, and their way into a project."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from labeling.models.jobs import Cause


class RegistrationQuerySet(models.QuerySet["Registration"]):
    def waiting(self) -> RegistrationQuerySet:
        return self.filter(state=Registration.State.WAITING)


class Registration(Cause):
    """A file with a model that a member sent, until a worker has made a model version of it, or refused it."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        FAILED = "failed"

    admin_columns = ("project", "name", "state", "version", "created_by", "created_at")

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="registrations")
    job = models.OneToOneField("labeling.Job", null=True, on_delete=models.CASCADE, related_name="registration")
    name = models.CharField(max_length=200, help_text="The file's name, as people know it.")
    path = models.CharField(max_length=1000, help_text="Where it lies until a worker has read it.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it failed.")
    source = models.JSONField(default=dict, help_text="Its format, its hash, and what its manifest says.")
    version = models.OneToOneField(
        "labeling.ModelVersion", null=True, on_delete=models.PROTECT, related_name="registration"
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects = RegistrationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"

    def step_failed(self, reason: str) -> None:
        Registration.objects.filter(pk=self.pk).update(
            state=Registration.State.FAILED, reason=reason[:500], finished_at=timezone.now()
        )
