"""Folders and zip files with one interface: the names of files in a fixed order, and their bytes."""

import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from labeling.kinds import BadFile
from labeling.kinds.wording import MIB, printable, size, too_large

from .base import SourceFile, UnreadableFile, find_inside, inside, read_inside

# The errors of zipfile for damaged or hostile zip files.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)

_JUNK = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini", "README.md"})


class Entry(NamedTuple):
    """A file of the tree, named by its path from the top with "/". A file with a problem is unreadable."""

    name: str
    problem: str


class FolderTree:
    """A folder on disk, without hidden files and linked folders. Links to files lead only within the folder."""

    def __init__(self, folder: SourceFile) -> None:
        self._root, self._kind, self._limits = folder.path, folder.kind, folder.limits

    def entries(self) -> Iterator[Entry]:
        """Yield every file, folder by folder, each folder sorted by name."""
        waiting = list(reversed(self._children(self._root)))
        while waiting:
            item = waiting.pop()
            name = Path(item.path).relative_to(self._root).as_posix()
            if printable(name) != name:
                yield Entry(printable(name), "has characters in its name that cannot be stored: rename it")
            elif item.is_dir(follow_symlinks=False):
                try:
                    waiting.extend(reversed(self._children(Path(item.path))))
                except OSError as error:
                    yield Entry(name, f"is a folder that cannot be opened: {error.strerror}")
            elif item.is_dir():
                yield Entry(name, "is a link to a folder: links to folders are not followed")
            else:
                yield Entry(name, self._kind.file_problem(name))

    def open(self, name: str) -> BinaryIO:
        """Open the file as a stream. Raises OSError or one of ZIP_ERRORS, as reading the stream may."""
        return find_inside(self._root, name).open("rb")

    def size(self, name: str) -> int:
        """Return the bytes of the file; 0 if it cannot be opened."""
        return find_inside(self._root, name).stat().st_size

    def read_file(self, name: str) -> bytes:
        """Read the whole file. Raises BadFile, also if the file is too large."""
        return read_inside(self._root, name, limit=self._limits.of_file(self._kind))

    def close(self) -> None:
        pass

    @staticmethod
    def _children(folder: Path) -> list[os.DirEntry[str]]:
        with os.scandir(folder) as items:
            return sorted((item for item in items if not _hidden(item.name)), key=lambda item: item.name)


class ZipTree:
    """A zip file, like a folder: never unpacked to disk. Raises UnreadableFile if damaged, locked or a bomb."""

    def __init__(self, file: SourceFile) -> None:
        self._kind, self._limits = file.kind, file.limits
        self._file = _Capped(file)
        try:
            self._zip = zipfile.ZipFile(self._file)
            _check_whole(self._zip, file)
        except UnreadableFile:
            self._file.close()
            raise
        except ZIP_ERRORS as error:
            self._file.close()
            raise UnreadableFile(f"{file.name}: the file is not a zip file or is damaged: create it again") from error
        self._infos: dict[str, zipfile.ZipInfo] = {}
        self._entries = self._sorted_entries()

    def entries(self) -> Iterator[Entry]:
        return iter(self._entries)

    def open(self, name: str) -> BinaryIO:
        if name not in self._infos:
            raise zipfile.BadZipFile(f"{name} cannot be read")
        return self._zip.open(self._infos[name])  # type: ignore[return-value]

    def size(self, name: str) -> int:
        return self._infos[name].file_size if name in self._infos else 0

    def read_file(self, name: str) -> bytes:
        plain = inside(name)
        if plain is None:
            raise BadFile("is named by a path outside of the zip file: give a path within it")
        info = self._infos.get(plain)
        if info is None:
            raise BadFile(f"is missing: there is no {printable(plain)} in the zip file, or it could not be read")
        limit = self._limits.of_file(self._kind)
        if info.file_size > limit:
            raise BadFile(too_large(limit))
        try:
            with self._zip.open(info) as file:
                return file.read(info.file_size + 1)  # zipfile unpacks no more than was declared, and then checks it
        except ZIP_ERRORS as error:
            raise BadFile("cannot be unpacked, the zip file is damaged there") from error

    def close(self) -> None:
        self._zip.close()
        self._file.close()

    def _sorted_entries(self) -> list[Entry]:
        entries = []
        for info in sorted(self._zip.infolist(), key=lambda info: (info.filename.split("/"), info.header_offset)):
            name = inside(info.filename)
            if info.is_dir() or (name is not None and any(map(_hidden, name.split("/")))):
                continue
            problem = self._problem(info, name)
            if not problem and name is not None:
                self._infos[name] = info
                problem = self._kind.file_problem(name)
            entries.append(Entry(printable(name or info.filename), problem))
        return entries

    def _problem(self, info: zipfile.ZipInfo, name: str | None) -> str:
        if name is None:
            return "has a path that leads out of the zip file: it is not read"
        if printable(name) != name:
            return "has characters in its name that cannot be stored: rename it"
        if name in self._infos:
            return "is twice in the zip file under one name"
        if stat.S_ISLNK(info.external_attr >> 16):
            return "is a link: put the file itself into the zip file"
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # bzip2 and LZMA are unpacked without any bound on memory
            return "is packed in an unusual way: make the zip file with the usual method (deflate)"
        if info.file_size > max(MIB, self._limits.unpack_ratio * info.compress_size):
            amount = f"far more than {self._kind.plural} pack down from"
            return f"would unpack to {size(info.file_size)}, {amount}: it is not read"
        return ""


Tree = FolderTree | ZipTree


class _Capped(io.BufferedReader):
    """A file that refuses reads of more than `Limits.zip_directory`: zipfile reads its directory in one piece."""

    def __init__(self, file: SourceFile) -> None:
        super().__init__(io.FileIO(file.path))
        self._name, self._limit = file.name, file.limits.zip_directory

    def read(self, count: int | None = -1, /) -> bytes:
        if count is not None and count > self._limit:
            raise UnreadableFile(f"{self._name}: the zip file lists too many files: split it")
        return super().read(count)


def _check_whole(archive: zipfile.ZipFile, file: SourceFile) -> None:
    infos, name, ratio = archive.infolist(), file.name, file.limits.unpack_ratio
    if any(info.flag_bits & 0x1 for info in infos):
        raise UnreadableFile(f"{name}: the zip file is locked with a password: make one without")
    if sum(info.file_size for info in infos) > max(64 * MIB, ratio * file.path.stat().st_size):
        raise UnreadableFile(f"{name}: the zip file would unpack to more than {ratio} times its size: it is not read")


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in _JUNK
