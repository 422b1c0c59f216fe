"""Files that are written whole or not at all, and disks that are full."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# PostgreSQL's disk_full, as of "could not extend file … No space left on device".
SQLSTATE_DISK_FULL = "53100"


def is_full(error: BaseException | None) -> bool:
    """Whether this error says that a disk is full: of a file, or of a database that could not write."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return True
        if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
            return True
        if getattr(error, "sqlstate", "") == SQLSTATE_DISK_FULL:
            return True
        error = error.__cause__
    return False


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
