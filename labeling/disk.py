"""Files that are written whole or not at all, damaged files, and disks that are full."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BufferedWriter, FileIO
from pathlib import Path
from typing import Any, BinaryIO

# What a slow disk writes in less than a tenth of a second.
STEADY_BYTES = 8 << 20

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


# What opening and reading a file fails with if the file itself is at fault. Others (too many open files) are not.
UNREADABLE = {errno.EACCES, errno.EPERM, errno.EIO, errno.EISDIR, errno.ENOTDIR, errno.ELOOP}


class FileDamaged(ValueError):
    """A stored file is not as it was written. The message is one line: which file, and what is wrong with it."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.problem = path, problem


class FileMissing(FileDamaged, FileNotFoundError):
    """A file that ought to be there is not."""

    def __init__(self, path: Path, problem: str = "it is missing") -> None:
        super().__init__(path, problem)

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


def replace_file(path: Path, content: bytes | memoryview, *, durable: bool = True, drafts: Path | None = None) -> None:
    """Write a file in one step: whoever reads `path`, now or after a crash, sees all of it or what was there before.

    It is written in the folder `drafts`, on the same disk, and then moved; by default beside `path`.
    """
    with replacing(path, durable=durable, drafts=drafts) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, *, durable: bool = True, drafts: Path | None = None) -> Iterator[BinaryIO]:
    """The same for what is too large to be held: it is written to the file that this gives, and to the disk little by
    little if `durable`. A database that commits meanwhile would otherwise wait for all of it.
    """
    folder = drafts or path.parent
    for each in (path.parent, folder):
        each.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=folder, prefix=".draft-")
    try:
        with BufferedWriter(_Steady(handle, "wb")) if durable else os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        make_room(path)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


class _Steady(FileIO):
    """A file that waits for the disk whenever some megabytes have been written."""

    _unsynced = 0

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        written = super().write(view[: STEADY_BYTES - self._unsynced])
        self._unsynced += written
        if self._unsynced >= STEADY_BYTES:
            os.fsync(self.fileno())
            self._unsynced = 0
        return written


@contextmanager
def reading(path: Path) -> Iterator[BufferedReader]:
    """The file, open for reading. Raises `FileMissing` or `FileDamaged`, also for what fails while it is read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait without an end
            raise FileDamaged(path, "it is no plain file")
        with path.open("rb") as file:
            yield file
    except FileDamaged:
        raise
    except FileNotFoundError as error:
        raise FileMissing(path) from error
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
        raise FileDamaged(path, f"it cannot be read ({error.strerror})") from error


def make_room(path: Path) -> None:
    """Rename what lies where a file belongs and is none, a folder for example, so that the file can be written."""
    if os.path.lexists(path) and not path.is_file():
        path.rename(path.with_name(f"{path.name}.found-{uuid.uuid4().hex[:8]}"))
