"""A project's files: their bytes, which count towards its limit, checksums of its features, damaged files, and
rows that own a file, which the quota, the checks of files, monitors and pages treat alike.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, ClassVar

from django.apps import apps
from django.db import models
from django.db.models import Q, Sum, Value


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


class FileOwner(models.Model):
    """A row that owns one file below its project's folder. The file's bytes count against the project's limit."""

    noun: ClassVar[str]
    """The name of the files on pages, in `status --json` and in metrics: one word, plural."""
    suffix: ClassVar[str] = ".jsonl"
    whole: ClassVar[Q]
    """The rows whose file must exist, with at least `size` bytes."""
    digest: Any = ""
    """The SHA-256 of the file, in hex; empty if none is stored."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="+")
    size = models.PositiveBigIntegerField(default=0)

    class Meta:
        abstract = True

    @property
    def file_name(self) -> PurePosixPath:
        """The path of the file below the project's folder."""
        return PurePosixPath(self.noun, f"{self.pk}{self.suffix}")


def file_owners() -> list[type[FileOwner]]:
    """Return all tables whose rows own files."""
    return [model for model in apps.get_models() if issubclass(model, FileOwner)]


def file_sizes(**lookup: Any) -> list[tuple[str, str, int]]:
    """The slug, the noun and the bytes of the files, for each project and table with rows that match. One query."""
    first, *others = (
        table._default_manager.filter(**lookup)
        .order_by()
        .values("project__slug")
        .annotate(files=Value(table.noun), bytes=Sum("size"))
        .values_list("project__slug", "files", "bytes")
        for table in file_owners()
    )
    return list(first.union(*others, all=True) if others else first)
