"""Files of items, wherever they are: stored here (`labeling.storage.media`), or at a source, with a copy on this host.

A file at a source has a storage name, too, and a row `Reference`. Its name follows from the source, the key and the
etag, so a file that changes at its source never takes the place of the file that was imported.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from django.db.models import Exists, OuterRef

from labeling.kinds import KeptAtSource
from labeling.models import Item, Project, Reference, Source
from labeling.models.items import ItemQuerySet
from labeling.outside.references import fetching
from labeling.outside.references.fetching import CHANGED, Lost, SourceAway, fetch, fetch_for
from labeling.outside.sources import Entry
from labeling.storage import media
from labeling.storage.disk.files import FileMissing
from labeling.storage.shared_files import read_whole

__all__ = [
    "Lost",
    "SourceAway",
    "bring",
    "compared",
    "gold_stands_out",
    "local",
    "lost_at",
    "opened",
    "pictures_bytes",
    "problem_of",
    "read",
    "remove",
    "rows_for",
    "share",
    "try_again",
    "without",
]

# A copy may be removed between the call of `local` and the opening of the file.
TRIES = 3
FOLDER = "references"
"""The folder of the storage names of files at sources, in that of the project."""


def name_of(project_id: int, file: KeptAtSource, item: str, suffix: str) -> str:
    """Return the storage name of a file at a source, for the item with the id `item`. `suffix` is that of the file that
    browsers get.
    """
    facts = (str(file.source), file.key, file.etag, str(file.size), item)
    digest = hashlib.sha256("\0".join(facts).encode()).hexdigest()
    return f"{project_id}/{FOLDER}/{digest[:2]}/{digest}{suffix}"


def is_reference(name: str) -> bool:
    """Return whether this is the storage name of a file at a source. The smaller pictures of such a file are stored
    here.

    >>> is_reference("1/references/ab/abcd.jpg"), is_reference("1/references/ab/abcd.preview.webp")
    (True, False)
    """
    path = PurePosixPath(name)
    return path.parts[1:2] == (FOLDER,) and "." not in path.stem


def bring(names: Iterable[str]) -> dict[str, Lost]:
    """Bring these files to this host in parallel, before they are read one by one. Return the problems of those that
    were lost at their sources, by name; other missing files are ignored. Raises `StoreAway`.
    """
    every = set(names)
    kept = {name for name in every if is_reference(name)}
    media.bring(every - kept)
    if not kept:
        return {}
    rows = Reference.objects.select_related("project", "source").filter(name__in=kept)
    return fetch([row for row in rows if not fetching.is_whole(fetching.path_of(row.name), row.shown_sha256)])


def local(name: str, *, reader: int = fetching.STEPS) -> Path:
    """Return the path of the file for reading. Open it at once: a copy may be removed later.

    Each `reader`, the id of a person, has copies of their own. If a person got a file sooner because others had seen
    it, the time would reveal which items others are asked about: gold items, for example. A person waits for seconds
    at most (`fetch_for`). Raises `OSError`, `Lost` and `StoreAway`.
    """
    if not is_reference(name):
        return media.local(name)
    row = Reference.objects.select_related("project", "source").filter(name=name).first()
    path = fetching.path_of(name, reader)
    if row is None:
        raise FileMissing(path)
    if fetching.is_whole(path, row.shown_sha256):
        fetching.mark_used(path)
        return path
    if reader == fetching.STEPS:
        for problem in fetch([row]).values():
            raise problem
    else:
        fetch_for(reader, row)
    return path


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """Open the file for reading. Raises `FileDamaged`, and `Lost` for a file that was lost at its source."""
    with _opened(name) if is_reference(name) else read_whole(media.path_of(name), lambda path: path.open("rb")) as file:
        yield file


def _opened(name: str) -> BinaryIO:
    for left in reversed(range(TRIES)):
        path = local(name)
        try:
            return path.open("rb")
        except FileNotFoundError:
            if not left:
                raise
    raise AssertionError


def _read_bytes(name: str) -> bytes:
    with opened(name) as file:
        return file.read()


def read_content(name: str, offset: int, blocks: dict[str, np.ndarray]) -> bytes | media.Unread | np.ndarray | None:
    """Return the file or vector of an item, as `media.read_content` does. Errors as for `opened`."""
    if not is_reference(name):
        return media.read_content(name, offset, blocks)
    with opened(name) as file:
        content = file.read(media.HELD_BYTES + 1)
    return content if len(content) <= media.HELD_BYTES else media.Unread(partial(_read_bytes, name))


def rows_for(project: Project, files: Sequence[tuple[str, KeptAtSource]]) -> list[Reference]:
    """Return references for the caller to store with new items, of pairs of a storage name and the place of a file."""
    return [
        Reference(project=project, source_id=file.source, name=name, key=file.key, size=file.size, etag=file.etag)
        for name, file in files
    ]


def share(names: Iterable[str], project_id: int) -> list[Reference]:
    """Return references of another project to these files, for the caller to store with its items. They use the source
    of the first project.
    """
    rows = list(Reference.objects.filter(name__in=[name for name in names if is_reference(name)]))
    for row in rows:
        row.pk, row.project_id = None, project_id
        row.name = f"{project_id}/{row.name.partition('/')[2]}"
    return rows


def remove_content(name: str) -> None:
    """Remove the file with its smaller pictures and copies; a file at a source stays there. The row of the reference
    stays, too: remove it with the item.
    """
    media.remove_content(name)
    if is_reference(name):
        fetching.remove_copies(name)


def pictures_bytes(items: ItemQuerySet) -> int:
    """Return the bytes of the smaller pictures, stored here, of those of these items whose files are at a source."""
    return media.smaller_sizes(name for name in items.values_list("media", flat=True) if is_reference(name))


def lost_at(source: Source, most: int) -> list[tuple[int, str, str]]:
    """Return items of the source's project whose files could not be read when they were last tried: id, key, reason.
    Two queries.
    """
    rows = source.references.filter(project=source.project_id, problem__gt="")[:most]
    found = {row.name: row for row in rows}
    items = Item.objects.filter(project=source.project_id, media__in=list(found), deleted_at=None).order_by("pk")
    return [(pk, found[name].key, found[name].problem) for pk, name in items.values_list("pk", "media")]


def compared(source: Source, listed: Mapping[str, Entry]) -> list[Reference]:
    """Return the references whose files have changed since the import, or are as they were again, with their new
    problems to store. `listed`: the present facts about files, by the ids of their items. Two queries.
    """
    items = Item.objects.filter(project=source.project_id, external_id__in=list(listed))
    ids = {name: external_id for name, external_id in items.values_list("media", "external_id") if is_reference(name)}
    rows = []
    for row in Reference.objects.filter(source=source, name__in=list(ids)):
        problem = _problem_now(row, listed[ids[row.name]])
        if problem != row.problem:
            row.problem = problem
            rows.append(row)
    return rows


def _problem_now(row: Reference, entry: Entry) -> str:
    """Return the problem of the file, given the facts about it in a list."""
    if (row.etag and entry.etag and row.etag != entry.etag) or (
        row.size is not None and entry.size is not None and row.size != entry.size
    ):
        return CHANGED
    is_same = bool(row.etag) and row.etag == entry.etag
    return "" if row.problem == CHANGED and is_same else row.problem


def problem_of(name: str) -> str:
    """Return the reason why the last read of the file at its source failed; "" if none did. At most one query."""
    if not is_reference(name):
        return ""
    return Reference.objects.filter(name=name).values_list("problem", flat=True).first() or ""


def gold_stands_out(project: Project) -> bool:
    """Return whether files of the project's items stay at a source, while those of some gold items are here: these load
    sooner, so annotators can tell them.
    """
    if not project.references.exists():
        return False
    there = Reference.objects.filter(name=OuterRef("media"))
    return project.items.kept().filter(~Exists(there), gold__isnull=False).exists()


def without(items: ItemQuerySet, sources: Collection[int | None]) -> ItemQuerySet:
    """Return the items whose files are at none of these sources."""
    there = Reference.objects.filter(source__in=sources, name=OuterRef("media"))
    return items.exclude(Exists(there)) if sources else items


def try_again(project: Project) -> int:
    """Let the next encoding read files again that were lost at their sources. Return the number of their items."""
    lost = Reference.objects.exclude(problem="").filter(project=project, name=OuterRef("media"))
    return project.items.unreadable().filter(Exists(lost)).update(encode_error="")
