"""Files of items that stay at their source."""

from __future__ import annotations

from django.db import models


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
