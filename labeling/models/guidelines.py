"""The guidelines of a project as they were, one row a version."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class GuidelinesVersion(models.Model):
    """The guidelines as somebody saved them. Versions count up from 1; the newest is `Project.guidelines`.

    An annotation holds the number of the one that its annotator had on the screen.
    """

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="guidelines_versions")
    number = models.PositiveIntegerField()
    text = models.TextField(blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["project", "number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="guidelines_number_unique"),
        ]

    def __str__(self) -> str:
        return f"guidelines {self.number} of {self.project}"
