"""The versions of a project's guidelines, and the images in them."""

from django.conf import settings
from django.db import models


class GuidelinesVersion(models.Model):
    """One saved version of the guidelines. Numbers count up from 1; the newest version equals `Project.guidelines`.

    An annotation holds the number of the version that its annotator had on the screen.
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
    """An image that the guidelines name. Its file never changes, so that earlier versions keep their look."""

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
