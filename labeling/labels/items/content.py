"""An item as annotators and clients of the API get it."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from labeling import kinds
from labeling.models import Item, Project


def media_url(project: Project, item: Item) -> str | None:
    """Return the address of the item's file; None if the item has no file."""
    has_file = kinds.of(project).is_file and item.media
    return reverse("api:item-media", args=[project.slug, item.pk]) if has_file else None


def content_of(project: Project, item: Item) -> dict[str, Any]:
    """Return the content of an item, which all members may see at any time. It does not reveal the item's role in a
    batch.
    """
    return {"external_id": item.external_id, "data": item.data, "media_url": media_url(project, item)}
