"""Make the smaller pictures of images that an earlier release imported without them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction

from labeling import kinds
from labeling.kinds import BadFile
from labeling.models import Project
from labeling.outside import references
from labeling.projects import quota
from labeling.storage import media
from labeling.storage.db.long_writes import in_parts
from labeling.storage.shared_files import store


@dataclass
class Made:
    """The number of examined images, of images with new pictures, the bytes of these, and of unreadable images."""

    images: int = 0
    pictures: int = 0
    bytes: int = 0
    unreadable: int = 0


def make_previews(project: Project) -> Iterator[Made]:
    """Make the missing smaller pictures of the project's large images. Yields the counts so far after each chunk.

    It can be stopped and started again at any time, also while people label: images with pictures are skipped.
    """
    made, kind = Made(), kinds.of(project)
    every = project.items.exclude(media="").order_by("media").values_list("media", flat=True)
    items = Counter(name for name in every.iterator() if not references.is_reference(name))
    for names in in_parts(list(items), kind.chunk):
        _make(project, {name: items[name] for name in names if not _has_some(name)}, made)
        made.images += len(names)
        yield made


def _has_some(name: str) -> bool:
    return any(store().exists(media.path_of(media.smaller(name, size))) for size in ("preview", "thumbnail"))


def _make(project: Project, items: dict[str, int], made: Made) -> None:
    """Make the smaller pictures of these files; `items` maps a file's name to the number of its items."""
    media.bring(items)
    files = {name: content for name in items if (content := _content(name)) is not None}
    made.unreadable += len(items) - len(files)
    more = 0
    for name, opened in zip(files, kinds.of(project).open(list(files.values()), smaller=True), strict=True):
        if isinstance(opened, BadFile):
            made.unreadable += 1
        elif opened.preview or opened.thumbnail:
            media.write_content(name, files[name], preview=opened.preview, thumbnail=opened.thumbnail)
            made.pictures += 1
            more += items[name] * (len(opened.preview) + len(opened.thumbnail))
    if more:
        media.flush()
        made.bytes += more
        with transaction.atomic():
            quota.count(project, media=more)


def _content(name: str) -> bytes | None:
    try:
        return media.local(name).read_bytes()
    except OSError:
        return None
