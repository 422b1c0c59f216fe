"""What a project takes on the disk: its files, and rows in the database."""

from __future__ import annotations

from django.db import models


class ProjectStorage(models.Model):
    """Bytes of a project's media, those of every image and block of vectors that its items were taken in with; and,
    about, of rows that its members have sent: items, imported answers, rows set aside, guidelines.

    Counted in the transaction that writes the rows. Code that compares with a limit locks this row first.
    """

    project = models.OneToOneField(
        "labeling.Project", primary_key=True, on_delete=models.CASCADE, related_name="storage"
    )
    media_bytes = models.PositiveBigIntegerField(default=0)
    row_bytes = models.PositiveBigIntegerField(default=0, db_default=0)

    def __str__(self) -> str:
        return f"{self.project}: {self.media_bytes:,} bytes of media, {self.row_bytes:,} of rows"


class Upload(models.Model):
    """A file in the folder of uploads, from before its first byte until it is removed. The rows are the count."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="uploads")
    path = models.CharField(max_length=1000, unique=True)
    bytes = models.PositiveBigIntegerField(help_text="While it arrives, those that are expected.")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.path}: {self.bytes:,} bytes"
