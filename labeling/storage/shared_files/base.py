"""The interface of a store of shared files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Entry(NamedTuple):
    """A file in a folder, and the time of its last write in seconds since 1970."""

    path: Path
    written_at: float


class Store(ABC):
    """A store of the files below DATA_DIR, for all hosts. Files that only this host needs stay on its disk.

    Raises `FileNotFoundError` for a missing file, another `OSError` if this host's disk fails, and `StoreAway` if the
    store fails.
    """

    copies = False
    """Whether the files on this host's disk are copies."""

    def recorded(self, path: Path) -> str:
        """Return the name of the file for a row of the database, valid on all hosts."""
        return str(path)

    def path_of(self, recorded: str) -> Path:
        """Return the path on this host of a file with this recorded name."""
        return Path(recorded)

    @abstractmethod
    def publish(self, path: Path) -> None:
        """Make the complete file at `path` available to all hosts."""

    @abstractmethod
    def local(self, path: Path) -> Path:
        """Bring the current state of the file to `path`, and return `path`."""

    def bring(self, paths: Iterable[Path]) -> None:  # noqa: B027  a folder store has nothing to bring
        """Bring these files to this host in parallel, before they are read. Missing files are ignored."""

    @abstractmethod
    def exists(self, path: Path) -> bool: ...

    @abstractmethod
    def size(self, path: Path) -> int:
        """Return the bytes of the file. Raises `FileNotFoundError`."""

    @abstractmethod
    def size_below(self, folder: Path) -> int:
        """Return the bytes of all files below a folder."""

    @abstractmethod
    def stamps(self, paths: Sequence[Path]) -> list[str | None]:
        """Return, for each file, a text that changes when the file is replaced; None for a missing file."""

    @abstractmethod
    def link(self, old: Path, new: Path) -> None:
        """Give the file `old` the second name `new`, or copy it there. An existing file `new` stays.

        Raises `FileNotFoundError`.
        """

    @abstractmethod
    def remove(self, path: Path) -> None:
        """Remove the file, if it exists."""

    @abstractmethod
    def remove_below(self, folder: Path) -> Iterator[None]:
        """Remove all files below a folder; yield after each few files, so that the caller can stop or wait."""

    @abstractmethod
    def entries(self, folder: Path) -> list[Entry]:
        """Return the files in a folder."""

    @abstractmethod
    def write(self, path: Path, content: bytes, *, drafts: Path) -> None:
        """Write a file that never changes; an existing file stays. The file is safe only after `settle`."""

    @abstractmethod
    def settle(self) -> None:
        """Wait until all files that this thread has written are safe. Raises the first error of a write."""

    @abstractmethod
    def append(self, path: Path, *, rows_before: int, block: np.ndarray) -> None:
        """Write `block` (m, d) after the first `rows_before` rows of a matrix, in place of all later rows.

        Raises `FileNotFoundError` or `FileDamaged` if the matrix has fewer than `rows_before` rows.
        """

    @abstractmethod
    def rewrite(self, path: Path, *, start: int, content: bytes) -> None:
        """Write `content` into a matrix of `append`, from byte `start` on, over present or missing bytes."""

    @abstractmethod
    def bring_rows(self, path: Path, *, row_bytes: int, start: int, stop: int) -> None:
        """Bring the rows from `start` to `stop` (exclusive) of a matrix of `append` into the file at `path`."""

    def drop_copy(self, path: Path) -> bool:
        """Remove the copy at `path`, so that the next read fetches the file again. False if it is no copy."""
        return False

    def tidy(self) -> None:  # noqa: B027  a folder store has no copies
        """Remove the copies that were not used lately, if all copies together exceed their limit."""
