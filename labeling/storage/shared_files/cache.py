"""The cache of an object store on this host: which state of its file each copy has, and a limit on their bytes."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from labeling.storage.disk.files import make_room, replace_file

# A caller has opened the copy within this time after `used`, so `tidy` keeps copies that were used later than that.
OPENED_WITHIN_SECONDS = 600
# `came` calls `tidy` each time that copies of this share of the limit have been added.
WALK_SHARE = 0.05
# `tidy` reduces copies over the limit to this share of the limit.
KEPT_SHARE = 0.9
# The unit of `st_blocks`: a file with holes takes less than its length.
BLOCK_BYTES = 512


class Cache:
    """The copies below `folders`, of at most `most_bytes`.

    A note beside each copy has the store's mark of the copied state. A file that never changes (`stays`) needs no note.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        stays: Callable[[Path], bool],
        most_bytes: int,
        opened_within: float = OPENED_WITHIN_SECONDS,
    ) -> None:
        self._folders, self._stays, self._most_bytes = folders, stays, most_bytes
        self._opened_within = opened_within
        self._lock, self._came = threading.Lock(), 0

    def mark_of(self, path: Path) -> str | None:
        """Return the mark of the copied state; None without a copy, and if the note is of another file."""
        try:
            inode, _, mark = _note_of(path).read_text().partition(" ")
            return mark if inode == str(path.stat().st_ino) else None
        except OSError:
            return None

    def note(self, path: Path, mark: str, inode: int) -> None:
        """Write the note that the file with this inode is a copy of the state `mark`.

        Two threads may copy at the same time, and the last note may be of the copy that was replaced: `mark_of` then
        ignores the note, because the inode differs.
        """
        replace_file(_note_of(path), f"{inode} {mark}".encode(), durable=False)

    def forget_mark(self, path: Path) -> None:
        """Delete the note of the state that the file at `path` is a copy of. Call it before the file is replaced."""
        _note_of(path).unlink(missing_ok=True)

    def used(self, path: Path) -> None:
        """Mark the copy as used now, so that `tidy` keeps it while a caller opens it."""
        with suppress(OSError):  # the copy is gone, or no file
            os.utime(path)

    def drop(self, path: Path) -> None:
        self.forget_mark(path)
        make_room(path)
        path.unlink(missing_ok=True)

    def came(self, size: int) -> None:
        """Count the bytes of new copies, and call `tidy` from time to time."""
        with self._lock:
            self._came += size
            if self._came < WALK_SHARE * self._most_bytes:
                return
            self._came = 0
        self.tidy()

    def tidy(self) -> None:
        """If the copies exceed the limit, remove the least recently used ones until they take `KEPT_SHARE` of it."""
        files = sorted(self._removable())
        total, before = sum(size for _, size, _ in files), time.time() - self._opened_within
        if total <= self._most_bytes:
            return
        for used_at, size, path in files:
            if total <= KEPT_SHARE * self._most_bytes or used_at > before:
                return
            self.drop(path)
            total -= size

    def _removable(self) -> Iterator[tuple[float, int, Path]]:
        """Yield, for each copy, the time of its last use, its bytes on the disk, and its path.

        A file that may change and has no note is no copy: a process is writing it, or only this host needs it.
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
