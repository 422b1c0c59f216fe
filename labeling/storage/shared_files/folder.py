"""The store without an object store: DATA_DIR on one host, or mounted by several hosts."""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from labeling.storage.disk.files import FileDamaged, make_room, reading, replace_file, replacing


class Entry(NamedTuple):
    """A file in a folder, and the time of its last write in seconds since 1970."""

    path: Path
    written_at: float


class FolderStore:
    """A store of the files below DATA_DIR, for all hosts. Files that only this host needs stay on its disk.

    This one has the files at their paths, and no copies; others override its methods. All raise `FileNotFoundError` for
    a missing file, another `OSError` if this host's disk fails, and `StoreAway` if the store fails.
    """

    copies = False
    """Whether the files on this host's disk are copies."""

    def recorded(self, path: Path) -> str:
        """Return the name of the file for a row of the database, valid on all hosts."""
        return str(path)

    def path_of(self, recorded: str) -> Path:
        """Return the path on this host of a file with this recorded name."""
        return Path(recorded)

    def publish(self, path: Path) -> None:
        """Make the complete file at `path` available to all hosts."""

    def local(self, path: Path) -> Path:
        """Bring the current state of the file to `path`, and return `path`."""
        return path

    def bring(self, paths: Iterable[Path]) -> None:
        """Bring these files to this host in parallel, before they are read. Missing files are ignored."""

    def exists(self, path: Path) -> bool:
        return path.exists()

    def size(self, path: Path) -> int:
        """Return the bytes of the file. Raises `FileNotFoundError`."""
        return path.stat().st_size

    def size_below(self, folder: Path) -> int:
        """Return the bytes of all files below a folder."""
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    def stamps(self, paths: Sequence[Path]) -> list[str | None]:
        """Return, for each file, a text that changes when the file is replaced; None for a missing file."""
        return [_written(path) for path in paths]

    def link(self, old: Path, new: Path) -> None:
        """Give the file `old` the second name `new`, or copy it there. An existing file `new` stays.

        Raises `FileNotFoundError`.
        """
        new.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(old, new)
        except FileExistsError:
            pass
        except FileNotFoundError:
            raise
        except OSError:  # the disk knows no second names, or no more of them
            with old.open("rb") as source, replacing(new, durable=False) as copy:
                shutil.copyfileobj(source, copy)

    def remove(self, path: Path) -> None:
        """Remove the file, if it exists."""
        make_room(path)
        path.unlink(missing_ok=True)

    def remove_below(self, folder: Path) -> Iterator[None]:
        """Remove all files below a folder; yield after each few files, so that the caller can stop or wait."""
        for parent, _, names in os.walk(folder, topdown=False):
            for name in names:
                Path(parent, name).unlink(missing_ok=True)
                yield
            with suppress(FileNotFoundError):  # another worker is at it, too
                Path(parent).rmdir()

    def entries(self, folder: Path) -> list[Entry]:
        """Return the files in a folder; none if it is missing."""
        entries = []
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in folder.iterdir():
                with suppress(OSError):  # gone by now
                    if path.is_file():
                        entries.append(Entry(path, path.stat().st_mtime))
        return entries

    def write(self, path: Path, content: bytes, *, drafts: Path) -> None:
        """Write a file that never changes; an existing file stays. The file is safe only after `settle`."""
        if not path.exists():
            replace_file(path, content, durable=False, drafts=drafts)

    def settle(self) -> None:
        """Wait until all files that this thread has written are safe. Raises the first error of a write."""
        os.sync()  # all file systems at once: much faster than many small files one by one

    def append(self, path: Path, *, rows_before: int, block: np.ndarray) -> None:
        """Write `block` (m, d) after the first `rows_before` rows of a matrix, in place of all later rows.

        Raises `FileNotFoundError` or `FileDamaged` if the matrix has fewer than `rows_before` rows.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        begin = rows_before * block.shape[1] * block.itemsize
        if rows_before:
            with reading(path) as before:
                length = before.seek(0, os.SEEK_END)
            if length < begin:  # `truncate` would fill the gap with zeros
                raise FileDamaged(path, f"it has {length:,} bytes, and not {begin:,} for {rows_before:,} rows")
        make_room(path)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(begin)
            file.seek(0, os.SEEK_END)
            file.write(np.ascontiguousarray(block).tobytes())
            file.flush()
            os.fsync(file.fileno())

    def rewrite(self, path: Path, *, start: int, content: bytes) -> None:
        """Write `content` into a matrix of `append`, from byte `start` on, over present or missing bytes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        make_room(path)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(start)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def bring_rows(self, path: Path, *, row_bytes: int, start: int, stop: int) -> None:
        """Bring the rows from `start` to `stop` (exclusive) of a matrix of `append` into the file at `path`."""

    def drop_copy(self, path: Path) -> bool:
        """Remove the copy at `path`, so that the next read fetches the file again. False if it is no copy."""
        return False


def _written(path: Path) -> str | None:
    try:
        return str(path.stat().st_mtime_ns)
    except OSError:
        return None
