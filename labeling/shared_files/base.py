"""What readers and writers of shared files ask of the place where they are stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Entry(NamedTuple):
    """A file of a folder, and when it was last written, in seconds since 1970."""

    path: Path
    written_at: float


class Store(ABC):
    """Files by their paths below DATA_DIR, the same on every host. Paths that no other host needs are left alone.

    Raises `FileNotFoundError` for a file that is not there, another `OSError` if this host's disk fails, `StoreAway` if
    the store does not do what it is asked for.
    """

    copies = False
    """Whether what lies at a file's path here is a copy."""

    def recorded(self, path: Path) -> str:
        """How a row names the file, for all hosts."""
        return str(path)

    def path_of(self, recorded: str) -> Path:
        """The path here of a file that a row names."""
        return Path(recorded)

    @abstractmethod
    def publish(self, path: Path) -> None:
        """Let others have the file, which lies complete at `path`. From then on it counts."""

    @abstractmethod
    def local(self, path: Path) -> Path:
        """Make the file, as it is now, lie at `path`, and return that."""

    def bring(self, paths: Iterable[Path]) -> None:  # noqa: B027  in one folder they are
        """Make these files be here, side by side, for they are about to be read. One that is gone is no error."""

    @abstractmethod
    def exists(self, path: Path) -> bool: ...

    @abstractmethod
    def size(self, path: Path) -> int:
        """Bytes of the file. Raises `FileNotFoundError`."""

    @abstractmethod
    def size_below(self, folder: Path) -> int:
        """Bytes of all files below a folder."""

    @abstractmethod
    def stamps(self, paths: Sequence[Path]) -> list[str | None]:
        """Of each file a text that is another one when it has been replaced; None if there is none."""

    @abstractmethod
    def link(self, old: Path, new: Path) -> None:
        """Let the file have a second name, or a copy under it. One that is there stays. Raises `FileNotFoundError`."""

    @abstractmethod
    def remove(self, path: Path) -> None:
        """Remove the file, if it is there."""

    @abstractmethod
    def remove_below(self, folder: Path) -> Iterator[None]:
        """Remove all files below a folder, and stop for a moment behind each few."""

    @abstractmethod
    def entries(self, folder: Path) -> list[Entry]:
        """The files that lie in a folder."""

    @abstractmethod
    def write(self, path: Path, content: bytes, *, drafts: Path) -> None:
        """Write a file that is never changed, unless it is there. `settle` before counting on it."""

    @abstractmethod
    def settle(self) -> None:
        """Wait until all that this thread has written is safe. Raises what went wrong."""

    @abstractmethod
    def append(self, path: Path, *, rows_before: int, block: np.ndarray) -> None:
        """Write `block` (m, d) behind the first `rows_before` rows of a matrix. What lies behind those is replaced.

        Raises `FileNotFoundError` or `FileDamaged` if some of those rows are missing.
        """

    @abstractmethod
    def rewrite(self, path: Path, *, start: int, content: bytes) -> None:
        """Write bytes of such a matrix anew, from the one at `start` on. They may be missing."""

    @abstractmethod
    def bring_rows(self, path: Path, *, row_bytes: int, start: int, stop: int) -> None:
        """Make the rows from `start` to `stop` of such a matrix lie in the file at `path`."""

    def drop_copy(self, path: Path) -> bool:
        """Let what lies at `path` be fetched anew when it is next read. False if it is no copy."""
        return False

    def tidy(self) -> None:  # noqa: B027  in one folder are no copies
        """Remove copies that were not asked for lately, if they are more than may lie here."""
