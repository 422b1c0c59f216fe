"""Files that came with items: images, and blocks of vectors. Written whole or not at all, and never changed."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

CONTENT_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}
# Nobody writes one file for so long.
DRAFT_SECONDS = 3600


def image_name(project_id: int, content: bytes, suffix: str) -> str:
    """The name of an image follows from its content: taken in twice, it is stored once."""
    digest = hashlib.sha256(content).hexdigest()
    return f"{project_id}/images/{digest[:2]}/{digest}{suffix}"


def path_of(name: str) -> Path:
    return Path(settings.MEDIA_ROOT) / name


def write(name: str, content: bytes) -> None:
    """Store `content` under `name`, unless it is there already. `flush` before counting on it."""
    path = path_of(name)
    if not path.exists():
        replace_file(path, content, durable=False, drafts=_drafts(name.partition("/")[0]))


def remove_drafts(project_id: int) -> None:
    """Remove files that a killed process had begun to write."""
    for draft in _drafts(str(project_id)).glob("*"):
        with suppress(FileNotFoundError):  # it was moved, or another import removes it
            if draft.stat().st_mtime < time.time() - DRAFT_SECONDS:
                draft.unlink()


def flush() -> None:
    """Wait until all that was written is on the disk: once for many small files, where one by one takes far longer."""
    os.sync()


def replace_file(path: Path, content: bytes | memoryview, *, durable: bool = True, drafts: Path | None = None) -> None:
    """Write a file in one step: whoever reads `path`, now or after a crash, sees all of it or what was there before.

    It is written in the folder `drafts`, on the same disk, and then moved; by default beside `path`.
    """
    with replacing(path, durable=durable, drafts=drafts) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, *, durable: bool = True, drafts: Path | None = None) -> Iterator[BinaryIO]:
    """The same for what is too large to be held: it is written to the file that this gives."""
    folder = drafts or path.parent
    for each in (path.parent, folder):
        each.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=folder, prefix=".draft-")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _drafts(project_id: str) -> Path:
    return path_of(project_id) / "drafts"
