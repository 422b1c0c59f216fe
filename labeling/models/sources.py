"""Sources: places outside from which a project's items come, and the files of items that stay there."""

from __future__ import annotations

import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from labeling.models.projects import Project

AGAIN = datetime.timedelta(minutes=10)
"""The time until the next look after one that failed for a cause that passes by itself."""


class SourceQuerySet(models.QuerySet["Source"]):
    def due(self, now: datetime.datetime) -> SourceQuerySet:
        """Return sources whose next look, quick or full, is due: not paused, of projects that workers serve."""
        active = self.filter(paused_at=None, project__archived_at=None, project__deleted_at=None)
        return active.filter(Q(next_look_at__lte=now) | Q(next_full_at__lte=now)).order_by("pk")


class Source(models.Model):
    """A place outside, how its files become items, when it is checked, and the progress of the checks."""

    class Content(models.TextChoices):
        FILE = "file", "one file with a row for each item"
        FILES = "files", "files with a row for each item"
        MEDIA = "media", "files that are an item each"

    class Every(models.TextChoices):
        OFF = "off", "only by hand"
        HOUR = "hour", "every hour"
        DAY = "day", "every day"
        WEEK = "week", "every week"

        @property
        def period(self) -> datetime.timedelta | None:
            hours = {"hour": 1, "day": 24, "week": 7 * 24}.get(self.value)
            return None if hours is None else datetime.timedelta(hours=hours)

    admin_columns = ("project", "name", "content", "schedule", "looked_at", "paused_at", "problem")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="sources")
    name = models.CharField(max_length=100)
    address = models.CharField(max_length=2000)
    options = models.JSONField(default=dict, help_text="What the place needs beside its address, without secrets.")
    sealed_secrets = models.TextField(blank=True, editable=False, help_text="Its credentials, encrypted.")
    content = models.CharField(max_length=10, choices=Content)
    layout = models.JSONField(
        null=True, help_text="The columns of its files: see intake/readers/layout.py. Null until they are chosen."
    )
    by_reference = models.BooleanField(
        default=False, db_default=False, help_text="Whether the files of items stay at the source."
    )
    schedule = models.CharField(max_length=10, choices=Every, default=Every.DAY)
    full_schedule = models.CharField(max_length=10, choices=Every, default=Every.WEEK)
    next_look_at = models.DateTimeField(null=True)
    next_full_at = models.DateTimeField(null=True)
    cursor = models.TextField(blank=True, help_text="The last key that was listed. A quick look lists what follows.")
    in_full = models.BooleanField(default=False, help_text="Whether a full look is due or has begun.")
    full_cursor = models.TextField(blank=True, help_text="How far the present full look has come.")
    looked_at = models.DateTimeField(null=True, help_text="When the last look ended, of any kind.")
    full_looked_at = models.DateTimeField(null=True, help_text="When the last full look ended.")
    problem = models.CharField(max_length=500, blank=True, help_text="Why the last look failed.")
    found = models.PositiveBigIntegerField(default=0, help_text="The new or changed files that all looks have found.")
    paused_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SourceQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"source {self.pk} of {self.project_id}"

    @property
    def has_secrets(self) -> bool:
        return bool(self.sealed_secrets)

    @property
    def server(self) -> str:
        """The host and port that requests go to; without an endpoint of its own, the bucket, which stands for them."""
        return (self.options.get("endpoint") or self.address).partition("://")[2].partition("/")[0].lower()

    @property
    def files_address(self) -> str:
        """The address that keys of items' files are relative to: for one file with rows, its folder."""
        address = self.address.rstrip("/")
        return address.partition("?")[0].rpartition("/")[0] if self.content == Source.Content.FILE else address

    @property
    def has_rows(self) -> bool:
        """Whether its files have rows, whose columns a person chooses."""
        return self.content != Source.Content.MEDIA

    @staticmethod
    def next_after(schedule: str, now: datetime.datetime | None = None) -> datetime.datetime | None:
        """Return the time of the next look by this schedule; None if it is off."""
        period = Source.Every(schedule).period
        return None if period is None else (now or timezone.now()) + period


class Reference(models.Model):
    """The place of an item's file at a source, and the facts about the file. One row per item with such a file.

    An item names its reference by `Item.media`: see `labeling.outside.references`.
    """

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="references")
    source = models.ForeignKey(
        "labeling.Source", null=True, on_delete=models.SET_NULL, related_name="references", help_text="Null: removed."
    )
    name = models.CharField(max_length=200, unique=True)
    key = models.CharField(max_length=1024, help_text="Of the file, as the source lists it.")
    size = models.PositiveBigIntegerField(null=True, help_text="Null while it is not known.")
    etag = models.CharField(max_length=200, blank=True, help_text="At the import; empty if the source has none.")
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of the file; empty until it was read once.")
    shown_sha256 = models.CharField(
        max_length=64, blank=True, help_text="Of the file that browsers get: a TIFF, for example, is converted."
    )
    problem = models.CharField(max_length=300, blank=True, help_text="The reason why the last read failed.")

    class Meta:
        indexes = [models.Index(fields=["source", "problem"], name="reference_problem")]

    def __str__(self) -> str:
        return f"{self.key} of {self.source}"
