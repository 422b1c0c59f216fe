"""Imports of items, and the rows that they rejected; and sources: places outside from which a project's items come, and
the files of items that stay there.
"""

from __future__ import annotations

import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from labeling.models.jobs import Cause
from labeling.models.notice_kinds import NoticeKind
from labeling.models.notices import Notice
from labeling.models.projects import Project


class ItemImportQuerySet(models.QuerySet["ItemImport"]):
    def reading(self) -> ItemImportQuerySet:
        """Return imports that are running, or wait for a worker or a person. They need their files."""
        states = ItemImport.State
        return self.filter(state__in=[states.PARKED, states.WAITING, states.RUNNING])

    def untraced(self) -> ItemImportQuerySet:
        """Return imports with labels whose earlier trainings are not known, which a privacy ledger cannot count."""
        return self.filter(untraced__gt=0)

    def repeated(self) -> ItemImportQuerySet:
        """Return imports with labels for content that already had a label in the project."""
        return self.filter(repeated__gt=0)

    def parked(self) -> ItemImportQuerySet:
        """Return uploads that wait for a person to choose their columns."""
        return self.filter(state=ItemImport.State.PARKED)

    def failed(self) -> ItemImportQuerySet:
        """Return imports that can be retried."""
        return self.filter(state=ItemImport.State.FAILED)


class ItemImport(Cause):
    """One import of items from a file or another project. `position` counts the processed records; an interrupted
    import continues there.
    """

    class State(models.TextChoices):
        PARKED = "parked", "parked: waits for a person to choose its columns"
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        REFUSED = "refused", "refused: nothing was taken in"
        FAILED = "failed"

    admin_columns = ("project", "name", "state", "accepted", "rejected", "created_at")

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="imports")
    job = models.OneToOneField("labeling.Job", null=True, on_delete=models.CASCADE, related_name="item_import")
    name = models.CharField(max_length=200, help_text="The file's name, as people know it.")
    path = models.CharField(max_length=1000, help_text="Where it lies; empty where a project's items are copied.")
    truth_path = models.CharField(max_length=1000, blank=True)
    source = models.ForeignKey(
        "labeling.Source", null=True, on_delete=models.SET_NULL, related_name="imports", help_text="That it comes from."
    )
    source_key = models.CharField(
        max_length=1024,
        blank=True,
        db_default="",
        help_text="The file of the source that `path` becomes a copy of; empty if `path` lists files of items.",
    )
    source_etag = models.CharField(max_length=200, blank=True, db_default="", help_text="Of that file, when listed.")
    copied_from = models.ForeignKey(
        "labeling.Project", null=True, on_delete=models.SET_NULL, related_name="copies", help_text="Whose items."
    )
    copied_up_to = models.PositiveBigIntegerField(default=0, help_text="Number of the last item that was copied.")
    with_labels = models.BooleanField(default=False, help_text="Whether labels are copied with the items.")
    # The block of item numbers reserved for the import: see intake/items.py.
    first_number = models.PositiveBigIntegerField(null=True, unique=True)
    numbers = models.PositiveBigIntegerField(default=0, help_text="How many numbers are reserved for it.")
    numbered_from = models.PositiveBigIntegerField(default=0, help_text="The position that the first of them is for.")
    owns_file = models.BooleanField(default=False, help_text="An upload, deleted when it has been taken in.")
    strict = models.BooleanField(default=False, help_text="One bad row refuses the whole file.")
    request = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        help_text="Hash of the request and its key: a repeated request finds its import. Empty without a key.",
    )
    layout = models.JSONField(
        default=dict,
        db_default={},
        help_text="The file's columns, encoding and delimiter: see intake/readers/layout.py.",
    )
    columns = models.CharField(
        max_length=64, blank=True, db_default="", help_text="Hash of the file's columns: the next such file is alike."
    )
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=500, blank=True)
    position = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(null=True)
    accepted = models.PositiveBigIntegerField(default=0)
    rejected = models.PositiveBigIntegerField(default=0)
    rejected_by_reason = models.JSONField(
        null=True, help_text="How many rows were set aside for each reason; empty for imports of earlier versions."
    )
    labeled = models.PositiveBigIntegerField(default=0, help_text="Of those accepted, how many came with a label.")
    untraced = models.PositiveBigIntegerField(
        default=0, db_default=0, help_text="Labels of which it is not known what was trained on them before."
    )
    repeated = models.PositiveBigIntegerField(
        default=0, db_default=0, help_text="Labels of content that the project had a label for already."
    )
    batch = models.ForeignKey(
        "labeling.Batch", null=True, on_delete=models.SET_NULL, related_name="imports", help_text="Of those."
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects = ItemImportQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(
                fields=["source", "source_key"], condition=models.Q(source__isnull=False), name="import_of_source"
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "request"], condition=~models.Q(request=""), name="import_of_a_request"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"

    def step_failed(self, reason: str) -> None:
        ItemImport.objects.filter(pk=self.pk).update(state=ItemImport.State.FAILED, reason=reason[:500])
        self.tell_of_failure()

    def tell_of_failure(self) -> None:
        """Store the notices that the import failed or was refused, once for each time that it did."""
        about = f"{self.pk} {timezone.now().isoformat()}"
        Notice.objects.tell_members(NoticeKind.IMPORT_FAILED, self.project, number=self.pk, about=about)

    @property
    def is_copy(self) -> bool:
        """Whether the import copies the items of another project, which may be deleted by now, and reads no file."""
        return not self.path


class RejectedRow(models.Model):
    """A row that an import rejected, with its place, the reason and an excerpt. Only the first rows are kept."""

    item_import = models.ForeignKey(ItemImport, on_delete=models.CASCADE, related_name="rejected_rows")
    where = models.CharField(max_length=300)
    reason = models.CharField(max_length=500)
    excerpt = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


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
