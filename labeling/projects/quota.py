"""Count the bytes and the items of a project against its limits: media, rows in the database, waiting uploads, files
of rows.

`ProjectStorage` counts media and rows. Uploads and rows that own files are few, and each row has its file's bytes. A
file is removed before its count, so a killed process leaves no file that is not counted.
"""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, IntegerField, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.text import get_text_list
from django.utils.translation import gettext

from labeling.models import ItemImport, Project, ProjectStorage, Upload
from labeling.models.files import file_owners, file_sizes
from labeling.projects.limits import ITEMS, STORAGE, WAITING
from labeling.storage.shared_files import store

# Bytes of a row beside its texts, entries in indexes included. Measured on SQLite for items of 20 bytes to 4 KB, with
# and without labels: the count is off by at most a third.
ITEM_BYTES = 400
ANSWER_BYTES = 250
REJECTED_BYTES = 100
# The text of an item is in its row and, as words, in the search index.
TEXT_FACTOR = 3

# A file that does not exist this long after `reserve` was removed or never stored.
APPEARS_WITHIN = datetime.timedelta(minutes=1)


class NoRoom(ValidationError):
    """The project would exceed its limit of bytes or items. The message says what takes the room, and what to do."""


class Use(NamedTuple):
    """The bytes that a project takes, and its limits."""

    media: int
    rows: int
    waiting: int
    files: Mapping[str, int]
    """The bytes of the files that rows own, by `FileOwner.noun`."""
    limit: int
    waiting_limit: int
    items: int
    own_item_limit: int | None

    @property
    def total(self) -> int:
        return self.media + self.rows + self.waiting + sum(self.files.values())

    def by_name(self) -> dict[str, int]:
        """Return all numbers of bytes, those of `files` by their nouns."""
        sizes = {**self._asdict(), **self.files, "total": self.total}
        for name in ("files", "items", "own_item_limit"):
            del sizes[name]
        return sizes


def use_of(project: Project) -> Use:
    """Return the storage of the project. Takes three queries."""
    fields = ("storage__media_bytes", "storage__row_bytes", STORAGE.own, ITEMS.own, "imported")
    found = with_items(Project.objects.filter(pk=project.pk)).values_list(*fields).get()
    media, rows, limit_mb, item_limit, items = found
    return Use(
        media=media or 0,
        rows=rows or 0,
        waiting=Upload.objects.filter(project=project).aggregate(n=Sum("bytes", default=0))["n"],
        files={table.noun: 0 for table in file_owners()}
        | {noun: size for _, noun, size in file_sizes(project=project)},
        limit=storage_limit(limit_mb),
        waiting_limit=(WAITING.allowed() or 0) << 20,
        items=items,
        own_item_limit=item_limit,
    )


def storage_limit(own: int | None) -> int:
    """Return the storage limit of a project in bytes. `own`: its own limit in MiB, if it has one."""
    return (STORAGE.allowed(own) or 0) << 20


def with_items(projects: QuerySet[Project]) -> QuerySet[Any]:
    """Annotate projects with `imported`, the items that imports and copies made, without those removed for good.

    Reads no item. The few that were removed for good before they were encoded still count.
    """
    made = ItemImport.objects.filter(project=OuterRef("pk")).order_by().values("project").annotate(n=Sum("accepted"))
    number = Coalesce(Subquery(made.values("n"), output_field=IntegerField()), 0)
    return projects.annotate(imported=Greatest(number - F("purged_rows"), 0))


@transaction.atomic
def reserve(*, project: Project, path: Path, size: int) -> None:
    """Count `size` bytes for an upload, before the file is stored or once its size is known. Raises `NoRoom`."""
    lock_storage(project)
    known = Upload.objects.filter(path=store().recorded(path)).values_list("bytes", flat=True).first() or 0
    use, more = use_of(project), size - known
    if more > 0 and use.waiting + more > use.waiting_limit:
        raise NoRoom(
            gettext(
                "%(waiting)s of this project's files wait to be imported, and %(limit)s may: there is no room for "
                "%(size)s more. Send it when they have been imported."
            )
            % {"waiting": shown(use.waiting - known), "limit": shown(use.waiting_limit), "size": shown(size)}
        )
    _check_bytes(use, more)
    Upload.objects.update_or_create(path=store().recorded(path), defaults={"project": project, "bytes": size})


def rename(old: Path, new: Path) -> bool:
    """Move the count of the upload `old` to the path `new`. False if `old` is not counted."""
    return bool(Upload.objects.filter(path=store().recorded(old)).update(path=store().recorded(new)))


def discard(path: Path) -> None:
    """Remove an upload's file, then its count."""
    store().remove(path)
    forget_upload(path)


def forget_upload(path: Path) -> None:
    """Remove the count of an upload whose file is gone."""
    Upload.objects.filter(path=store().recorded(path)).delete()


def remove_counts_of_missing_files() -> None:
    """Remove the counts of uploads whose files a killed process has removed or never stored."""
    for upload in Upload.objects.filter(created_at__lt=timezone.now() - APPEARS_WITHIN):
        path = store().path_of(upload.path)
        if not store().exists(path):
            forget_upload(path)


def check_room(project: Project, size: int, *, items: int = 0, lock: bool = False) -> None:
    """Raise `NoRoom` if the project has no room for `size` more bytes or for `items` more items.

    `lock`, in a transaction, keeps other transactions from counting files of the project until this one ends.
    """
    if lock:
        lock_storage(project)
    if size <= 0 and (not items or ITEMS.allowed(project.item_limit) is None):
        return
    use = use_of(project)
    if items and (problem := ITEMS.problem(use.items, items, own=use.own_item_limit)):
        raise NoRoom(problem)
    _check_bytes(use, size)


def count(project: Project, *, media: int = 0, rows: int = 0) -> None:
    """Add bytes of media and rows to the count; negative numbers for removed ones.

    Call it in the transaction that writes or removes them.
    """
    lock_storage(project)
    ProjectStorage.objects.filter(pk=project.pk).update(
        media_bytes=Greatest(F("media_bytes") + media, 0), row_bytes=Greatest(F("row_bytes") + rows, 0)
    )


def item_bytes(external_id: str, source: str, data: str) -> int:
    """Return the bytes of an item in the database; `data` as JSON."""
    return ITEM_BYTES + len(external_id) + len(source) + TEXT_FACTOR * len(data)


def answer_bytes(weight: int, skip_reason: str) -> int:
    """Return the bytes of an answer in the database, with its share of the task's row. `weight`: of its value, as in
    `labeling.questions`.
    """
    return ANSWER_BYTES + len(skip_reason) + 8 * weight


def shown(size: int) -> str:
    """Return a number of bytes for people."""
    if size < 1 << 20:
        return f"{size / 1024:.0f} KB"
    unit, n = ("GB", size / (1 << 30)) if size >= 1 << 30 else ("MB", size / (1 << 20))
    return f"{number_format(f'{n:.1f}')} {unit}"


def lock_storage(project: Project) -> None:
    """Keep other transactions from counting files of the project until this transaction ends."""
    ProjectStorage.objects.get_or_create(project=project)
    ProjectStorage.objects.select_for_update(no_key=True).get(pk=project.pk)


def _check_bytes(use: Use, more: int) -> None:
    if more > 0 and use.total + more > use.limit:
        sentence = gettext(
            "This project may take %(limit)s, and there is no room for %(more)s more: media take %(media)s, rows in "
            "the database %(rows)s, files that wait to be imported %(waiting)s, %(files)s. Remove %(kinds)s, or ask "
            "the operator for more room."
        )
        kinds = [gettext(noun) for noun in use.files]
        words = {
            "files": ", ".join(f"{kind} {shown(size)}" for kind, size in zip(kinds, use.files.values(), strict=True)),
            "kinds": get_text_list(kinds, gettext("or")),
        }
        sizes = {"limit": use.limit, "more": more, "media": use.media, "rows": use.rows, "waiting": use.waiting}
        raise NoRoom(sentence % {**words, **{name: shown(size) for name, size in sizes.items()}})
