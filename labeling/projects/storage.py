"""How much a project may keep on the disk: media, uploads that wait, results of predictions.

Media are counted in `ProjectStorage`; of the others there are few, and their rows are the count. What was counted of a
file goes after the file: whatever is killed in between, no file lies there that does not count.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Greatest
from django.utils import timezone

from labeling.models import PredictionRun, Project, ProjectStorage, Upload
from labeling.shared_files import store

# A file is there this long after it was announced, or it has been removed.
APPEARS_WITHIN = datetime.timedelta(minutes=1)


class NoRoom(ValidationError):
    """The project's files would take more than they may. The message says what they take, and what to do."""


class Use(NamedTuple):
    """Bytes that a project's files take, and may take."""

    media: int
    waiting: int
    predictions: int
    limit: int
    waiting_limit: int

    @property
    def total(self) -> int:
        return self.media + self.waiting + self.predictions


def use_of(project: Project) -> Use:
    """What the project's files take. Reads a handful of rows, however many files there are."""
    media, limit_mb = (
        Project.objects.filter(pk=project.pk).values_list("storage__media_bytes", "storage_limit_mb").get()
    )
    return Use(
        media=media or 0,
        waiting=Upload.objects.filter(project=project).aggregate(n=Sum("bytes", default=0))["n"],
        predictions=PredictionRun.objects.filter(project=project).aggregate(n=Sum("size", default=0))["n"],
        limit=(limit_mb or settings.PROJECT_STORAGE_MB) << 20,
        waiting_limit=settings.PROJECT_WAITING_MB << 20,
    )


@transaction.atomic
def reserve(*, project: Project, path: Path, size: int) -> None:
    """Count a file of the folder of uploads, before it is stored or when its size is known. Raises `NoRoom`."""
    _lock(project)
    known = Upload.objects.filter(path=store().recorded(path)).values_list("bytes", flat=True).first() or 0
    use, more = use_of(project), size - known
    if more > 0 and use.waiting + more > use.waiting_limit:
        raise NoRoom(
            f"{shown(use.waiting - known)} of this project's files wait to be imported, and {shown(use.waiting_limit)} "
            f"may: there is no room for {shown(size)} more. Send it when they have been imported."
        )
    _check(use, more)
    Upload.objects.update_or_create(path=store().recorded(path), defaults={"project": project, "bytes": size})


def rename(old: Path, new: Path) -> bool:
    """Let what was counted of one file of the folder count for another. False if nothing was."""
    return bool(Upload.objects.filter(path=store().recorded(old)).update(path=store().recorded(new)))


def discard(path: Path) -> None:
    """Remove a file of the folder of uploads, and then what was counted of it."""
    store().remove(path)
    forget(path)


def forget(path: Path) -> None:
    """Count a file of the folder of uploads no more: it is gone."""
    Upload.objects.filter(path=store().recorded(path)).delete()


def forget_missing() -> None:
    """Count no more what a killed process has removed, or announced and never stored."""
    for upload in Upload.objects.filter(created_at__lt=timezone.now() - APPEARS_WITHIN):
        path = store().path_of(upload.path)
        if not store().exists(path):
            forget(path)


def check_room(project: Project, size: int, *, lock: bool = False) -> None:
    """Raise `NoRoom` if the project has no room for `size` more bytes. With `lock`, in a transaction, nobody else takes
    the room before its end.
    """
    if lock:
        _lock(project)
    _check(use_of(project), size)


def count_media(project: Project, size: int) -> None:
    """Count media. Call in the transaction that takes their items in, or with a negative `size` removes them."""
    _lock(project)
    ProjectStorage.objects.filter(pk=project.pk).update(media_bytes=Greatest(F("media_bytes") + size, 0))


def shown(size: int) -> str:
    """A number of bytes for people."""
    if size >= 1 << 30:
        return f"{size / (1 << 30):.1f} GB"
    return f"{size / (1 << 20):.1f} MB" if size >= 1 << 20 else f"{size / 1024:.0f} KB"


def _lock(project: Project) -> None:
    """Let nobody else count files of the project until the transaction ends."""
    ProjectStorage.objects.get_or_create(project=project)
    ProjectStorage.objects.select_for_update(no_key=True).get(pk=project.pk)


def _check(use: Use, more: int) -> None:
    if more > 0 and use.total + more > use.limit:
        raise NoRoom(
            f"This project's files may take {shown(use.limit)}, and there is no room for {shown(more)} more: media "
            f"take {shown(use.media)}, files that wait to be imported {shown(use.waiting)}, predictions "
            f"{shown(use.predictions)}. Remove predictions, or ask the operator for more room."
        )
