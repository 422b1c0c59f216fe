"""Write files of this host atomically, and recognise damaged files and full disks."""

import errno
import hashlib
import os
import stat
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BufferedWriter, FileIO
from pathlib import Path
from typing import Any, BinaryIO

# A slow disk writes this many bytes in less than a tenth of a second.
STEADY_BYTES = 8 << 20

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# PostgreSQL's disk_full: "could not extend file … No space left on device".
SQLSTATE_DISK_FULL = "53100"


def is_full(error: BaseException | None) -> bool:
    """Return whether this error, or a cause of it, means that the disk of a file or of the database is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return True
        if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
            return True
        if getattr(error, "sqlstate", "") == SQLSTATE_DISK_FULL:
            return True
        error = error.__cause__
    return False


# Errors of opening and reading that are the file's fault, unlike, for example, too many open files.
UNREADABLE = {errno.EACCES, errno.EPERM, errno.EIO, errno.EISDIR, errno.ENOTDIR, errno.ELOOP}


class FileDamaged(ValueError):
    """A stored file differs from the file that was written. The message names the file and the damage in one line."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.problem = path, problem


class FileMissing(FileDamaged, FileNotFoundError):
    """A file that should exist is missing."""

    def __init__(self, path: Path, problem: str = "it is missing") -> None:
        super().__init__(path, problem)

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


def replace_file(path: Path, content: bytes | memoryview, *, durable: bool = True, drafts: Path | None = None) -> None:
    """Write a file atomically: readers of `path`, even after a crash, see either the old or the new content.

    The content is written to a draft in the folder `drafts`, on the same disk, by default the folder of `path`; then
    the draft is renamed to `path`. With `durable`, the content is on the disk before the rename.
    """
    with replacing(path, durable=durable, drafts=drafts) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, *, durable: bool = True, drafts: Path | None = None) -> Iterator[BinaryIO]:
    """Give a draft file to write to, and rename it to `path` at the end of the block. For content too large for memory.

    With `durable`, the file is flushed to the disk in small parts, because a database that commits in the meantime
    waits for the flush.
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
    """A file that is flushed to the disk after every `STEADY_BYTES`."""

    _unsynced = 0

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        written = super().write(view[: STEADY_BYTES - self._unsynced])
        self._unsynced += written
        if self._unsynced >= STEADY_BYTES:
            os.fsync(self.fileno())
            self._unsynced = 0
        return written


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's content. Raises `FileMissing` or `FileDamaged`."""
    with reading(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def reading(path: Path) -> Iterator[BufferedReader]:
    """Open the file for reading.

    Raises `FileMissing` or `FileDamaged` if the file cannot be opened, or if the block fails to read it.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would block for ever
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
    """Rename a folder, or anything else but a file, that lies at `path`, so that a file can be written there."""
    if os.path.lexists(path) and not path.is_file():
        path.rename(path.with_name(f"{path.name}.found-{uuid.uuid4().hex[:8]}"))
