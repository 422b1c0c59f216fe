"""The measurement of encoders on a project's own labels."""

from __future__ import annotations

from django.db import models


class EncoderComparison(models.Model):
    """How right the project's model is with each encoder. One row a project: a new measurement replaces it."""

    project = models.OneToOneField("labeling.Project", on_delete=models.CASCADE, related_name="encoder_comparison")
    job = models.ForeignKey("labeling.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    choices = models.JSONField(help_text="The encoders with their options, the project's own first.")
    labels = models.PositiveIntegerField(default=0, help_text="Labels that the models learned or were tested with.")
    drawn = models.BooleanField(default=False, help_text="Whether the tested labels are a random sample of the pool.")
    labels_hash = models.CharField(max_length=64, blank=True, help_text="Over the labels, as they were read.")
    results = models.JSONField(default=list, help_text="Of the choices measured so far, in their order.")
    asked_at = models.DateTimeField()
    measured_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"encoders of {self.project}"
