"""The store without an object store: DATA_DIR on one host, or mounted by several hosts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from labeling.storage.disk.files import FileDamaged, make_room, reading, replace_file, replacing
from labeling.storage.shared_files.base import Entry, Store


class FolderStore(Store):
    """Store files at their paths in DATA_DIR; there are no copies."""

    def publish(self, path: Path) -> None: ...

    def local(self, path: Path) -> Path:
        return path

    def exists(self, path: Path) -> bool:
        return path.exists()

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def size_below(self, folder: Path) -> int:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    def stamps(self, paths: Sequence[Path]) -> list[str | None]:
        return [_written(path) for path in paths]

    def link(self, old: Path, new: Path) -> None:
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
        make_room(path)
        path.unlink(missing_ok=True)

    def remove_below(self, folder: Path) -> Iterator[None]:
        for parent, _, names in os.walk(folder, topdown=False):
            for name in names:
                Path(parent, name).unlink(missing_ok=True)
                yield
            with suppress(FileNotFoundError):  # another worker is at it, too
                Path(parent).rmdir()

    def entries(self, folder: Path) -> list[Entry]:
        return entries_of(folder)

    def write(self, path: Path, content: bytes, *, drafts: Path) -> None:
        if not path.exists():
            replace_file(path, content, durable=False, drafts=drafts)

    def settle(self) -> None:
        """Flush all file systems at once, which is much faster than flushing many small files one by one."""
        os.sync()

    def append(self, path: Path, *, rows_before: int, block: np.ndarray) -> None:
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
        path.parent.mkdir(parents=True, exist_ok=True)
        make_room(path)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(start)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def bring_rows(self, path: Path, *, row_bytes: int, start: int, stop: int) -> None: ...


def _written(path: Path) -> str | None:
    try:
        return str(path.stat().st_mtime_ns)
    except OSError:
        return None


def entries_of(folder: Path) -> list[Entry]:
    """Return the files in a folder on this host's disk; none if the folder is missing."""
    entries = []
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):  # gone by now
            if path.is_file():
                entries.append(Entry(path, path.stat().st_mtime))
    return entries
