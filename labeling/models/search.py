"""How far the search index of a project's items has come."""

from __future__ import annotations

from django.db import models


class ItemIndex(models.Model):
    """Of all items up to `indexed_to` the index knows the words; of those behind it, none.

    The words lie in the table `labeling_itemwords`, which is each database's own: see `labeling/items/search.py`.
    """

    project = models.OneToOneField(
        "labeling.Project", primary_key=True, on_delete=models.CASCADE, related_name="item_index"
    )
    indexed_to = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.project}: indexed to item {self.indexed_to}"
