"""The progress of the search index of a project's items."""

from __future__ import annotations

from django.db import models


class ItemIndex(models.Model):
    """The search index holds the words of all items with ids up to `indexed_to`, and of no others.

    The words are in the table `labeling_itemwords`, whose form depends on the database: see `labeling/items/search.py`.
    """

    project = models.OneToOneField(
        "labeling.Project", primary_key=True, on_delete=models.CASCADE, related_name="item_index"
    )
    indexed_to = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.project}: indexed to item {self.indexed_to}"
