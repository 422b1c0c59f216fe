"""An item as clients get it: who answers, who reads the API, and the screen that draws it."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from labeling import kinds
from labeling.models import Item, Project


def media_url(project: Project, item: Item) -> str | None:
    """Where the item's file is; None if it has none."""
    has_file = kinds.of(project).is_file and item.media
    return reverse("api:item-media", args=[project.slug, item.pk]) if has_file else None


def content_of(project: Project, item: Item) -> dict[str, Any]:
    """What everybody may see of an item, before it is labeled and after. Nothing tells what it is in its batch."""
    return {"external_id": item.external_id, "data": item.data, "media_url": media_url(project, item)}
