"""The storage that a project uses: bytes of its files and of its rows in the database."""

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
