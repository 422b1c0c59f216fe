"""Copies of stored files on the local disk: which state of a file one is of, and how many there may be."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from labeling.disk import make_room, replace_file

# Whoever has asked for a file has opened it by then.
OPENED_WITHIN_SECONDS = 600
# The disk is walked each time that this share of what may lie there has come.
WALK_SHARE = 0.05
# Of what may lie there, so much is left after a walk that found more.
KEPT_SHARE = 0.9
# Of the operating system's: a file with holes takes less than its length.
BLOCK_BYTES = 512


class Copies:
    """Below these folders. Beside the copy of a file lies a note with the store's mark of its state, but for one that
    `stays` as it is.
    """

    def __init__(self, folders: Sequence[Path], *, stays: Callable[[Path], bool], most_bytes: int) -> None:
        self._folders, self._stays, self._most_bytes = folders, stays, most_bytes
        self._lock, self._came = threading.Lock(), 0

    def mark_of(self, path: Path) -> str | None:
        """The mark of what was copied; None without a note of that very file, and where no copy lies."""
        try:
            inode, _, mark = _note_of(path).read_text().partition(" ")
            return mark if inode == str(path.stat().st_ino) else None
        except OSError:
            return None

    def note(self, path: Path, mark: str, inode: int) -> None:
        """Write down what the file of this inode is a copy of. Of two that come at once, one lies at `path` in the end,
        and the note may be of the other: it does not count then.
        """
        replace_file(_note_of(path), f"{inode} {mark}".encode(), durable=False)

    def forget_mark(self, path: Path) -> None:
        """Let the copy count no more. To be called before another takes its place."""
        _note_of(path).unlink(missing_ok=True)

    def used(self, path: Path) -> None:
        """Keep the copy for now: somebody is about to open it."""
        with suppress(OSError):  # it is gone, or no file
            os.utime(path)

    def drop(self, path: Path) -> None:
        self.forget_mark(path)
        make_room(path)
        path.unlink(missing_ok=True)

    def came(self, size: int) -> None:
        """Count bytes that were copied, and look now and then whether there are too many."""
        with self._lock:
            self._came += size
            if self._came < WALK_SHARE * self._most_bytes:
                return
            self._came = 0
        self.tidy()

    def tidy(self) -> None:
        """Remove the copies that were not used for longest until no more lie there than may."""
        files = sorted(self._removable())
        total, before = sum(size for _, size, _ in files), time.time() - OPENED_WITHIN_SECONDS
        if total <= self._most_bytes:
            return
        for used_at, size, path in files:
            if total <= KEPT_SHARE * self._most_bytes or used_at > before:
                return
            self.drop(path)
            total -= size

    def _removable(self) -> Iterator[tuple[float, int, Path]]:
        """When each copy was used last, what it takes on the disk, and where it lies.

        What may change and has no note is no copy: it is being written, or no other host needs it.
        """
        for folder in self._folders:
            for parent, _, names in os.walk(folder):
                for path in (Path(parent, name) for name in names if not name.startswith(".")):
                    if self._stays(path) or _note_of(path).name in names:
                        with suppress(FileNotFoundError):
                            stat = path.stat()
                            yield stat.st_mtime, stat.st_blocks * BLOCK_BYTES, path


def _note_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.copied")
