"""A project's files: their bytes, which count towards its limit, checksums of its features, and damaged files."""

from __future__ import annotations

from django.db import models


class ProjectStorage(models.Model):
    """The bytes of a project's media (images and blocks of vectors), and about the bytes of the rows that its members
    sent: items, imported answers, rejected rows, guidelines.

    The transaction that writes the rows also counts them. Code that compares with a limit locks this row first.
    """

    project = models.OneToOneField(
        "labeling.Project", primary_key=True, on_delete=models.CASCADE, related_name="storage"
    )
    media_bytes = models.PositiveBigIntegerField(default=0)
    row_bytes = models.PositiveBigIntegerField(default=0, db_default=0)
    purges = models.PositiveIntegerField(default=0, db_default=0, help_text="How often items were removed for good.")

    def __str__(self) -> str:
        return f"{self.project}: {self.media_bytes:,} bytes of media, {self.row_bytes:,} of rows"


class Upload(models.Model):
    """A file in the folder of uploads, from before its first byte until its removal. The quota sums these rows."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="uploads")
    path = models.CharField(max_length=1000, unique=True)
    bytes = models.PositiveBigIntegerField(help_text="While it arrives, those that are expected.")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.path}: {self.bytes:,} bytes"


class FeatureSum(models.Model):
    """The CRC-32 of a range of rows of the features file. One transaction stores the checksum and the rows' items."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="feature_sums")
    generation = models.PositiveIntegerField(help_text="Of the features' file.")
    start = models.PositiveBigIntegerField(help_text="The first of the rows.")
    rows = models.PositiveIntegerField()
    crc32 = models.PositiveBigIntegerField()

    class Meta:
        ordering = ["project", "generation", "start"]
        constraints = [
            models.UniqueConstraint(fields=["project", "generation", "start"], name="one_sum_for_each_part_of_features")
        ]

    def __str__(self) -> str:
        return f"rows {self.start} to {self.start + self.rows} of {self.project}"


class DamagedFileQuerySet(models.QuerySet["DamagedFile"]):
    def standing(self) -> DamagedFileQuerySet:
        """Return files that are still damaged or missing."""
        return self.filter(mended_at=None)


class DamagedFile(models.Model):
    """A file of a project that was found damaged or missing, and the time of its repair. One row per file."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="damaged_files")
    name = models.CharField(max_length=300, help_text="Its path below the project's folder.")
    problem = models.CharField(max_length=300)
    remedy = models.CharField(max_length=500, blank=True, help_text="What to do, where it cannot be rebuilt.")
    found_at = models.DateTimeField()
    mended_at = models.DateTimeField(null=True)

    objects = DamagedFileQuerySet.as_manager()

    class Meta:
        ordering = ["project", "name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="one_row_for_each_damaged_file")]

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}"
