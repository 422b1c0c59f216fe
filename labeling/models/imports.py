"""Imports of items, and the rows that they rejected."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from labeling.models.jobs import Cause
from labeling.models.notice_kinds import NoticeKind
from labeling.models.notices import Notice


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
    # The block of item numbers reserved for the import: see intake/numbering.py.
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
