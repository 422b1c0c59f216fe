"""The guidelines of a project as they were, one row a version, and the images that they show."""

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


class GuidelinesImage(models.Model):
    """An image for the guidelines, which name it. It never changes, so that earlier versions look as they did."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="guidelines_images")
    name = models.CharField(max_length=100, help_text="What the guidelines call it.")
    alt_text = models.CharField(max_length=300, help_text="What it shows, for people who cannot see it.")
    media = models.CharField(max_length=200, help_text="Where the file lies, below the folder of media.")
    bytes = models.PositiveIntegerField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["project", "name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="guidelines_image_name_unique"),
        ]

    def __str__(self) -> str:
        return f"image {self.name} of {self.project}"
