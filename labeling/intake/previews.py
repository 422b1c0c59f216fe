"""Smaller pictures of images that were imported before imports made any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction

from labeling import database, kinds
from labeling.kinds import BadFile, media
from labeling.models import Project
from labeling.projects import storage
from labeling.shared_files import store


@dataclass
class Made:
    """Images that were looked at, for how many pictures were made, their bytes, and how many cannot be read."""

    images: int = 0
    pictures: int = 0
    bytes: int = 0
    unreadable: int = 0


def make_previews(project: Project) -> Iterator[Made]:
    """Make the smaller pictures that the project's large images lack. Gives the state so far after each chunk.

    May be ended and begun again at any time, and people can label meanwhile: those that have some are passed over.
    """
    made, kind = Made(), kinds.of(project)
    items = Counter(project.items.exclude(media="").order_by("media").values_list("media", flat=True))
    for names in database.in_parts(list(items), kind.chunk):
        _make(project, {name: items[name] for name in names if not _has_some(name)}, made)
        made.images += len(names)
        yield made


def _has_some(name: str) -> bool:
    return any(store().exists(media.path_of(media.smaller(name, size))) for size in ("preview", "thumbnail"))


def _make(project: Project, items: dict[str, int], made: Made) -> None:
    """Those of the files with these names, each of which so many items have."""
    media.bring(items)
    files = {name: content for name in items if (content := _content(name)) is not None}
    made.unreadable += len(items) - len(files)
    more = 0
    for name, opened in zip(files, kinds.of(project).open(list(files.values()), smaller=True), strict=True):
        if isinstance(opened, BadFile):
            made.unreadable += 1
        elif opened.preview or opened.thumbnail:
            media.write(name, files[name], preview=opened.preview, thumbnail=opened.thumbnail)
            made.pictures += 1
            more += items[name] * (len(opened.preview) + len(opened.thumbnail))
    if more:
        media.flush()
        made.bytes += more
        with transaction.atomic():
            storage.count(project, media=more)


def _content(name: str) -> bytes | None:
    try:
        return media.local(name).read_bytes()
    except OSError:
        return None
