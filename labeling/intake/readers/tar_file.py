"""WebDataset's tar files: consecutive files of one name, up to its first dot, are a sample."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from labeling.disk import npy
from labeling.kinds import FileKind, Kind
from labeling.kinds.wording import printable, too_large

from .base import Limits, Record, Source, UnreadableFile, numbered_id
from .json_file import parse_object
from .layout import Layout
from .lines import decode

_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_ERRORS = (tarfile.TarError, OSError, EOFError, ValueError)


class TarSource(Source):
    """A tar file of samples. A file that is cut short is refused before its first record."""

    def __init__(self, path: Path, *, kind: Kind, name: str, limits: Limits, layout: Layout) -> None:
        super().__init__(path, kind=kind, name=name, limits=limits, layout=layout)
        self._size = path.stat().st_size
        try:
            with path.open("rb") as file:
                self._count = _count(file, self._size)
        except _ERRORS as error:
            raise UnreadableFile(f"{name}: the tar file is damaged or cut short: create it again") from error

    @property
    def total(self) -> int:
        return self._count

    def records(self, skip: int = 0) -> Iterator[Record]:
        try:
            with closing(tarfile.open(self.path, "r:")) as tar:
                samples = groupby(_members(tar), key=lambda member: _key(member.name))
                for number, (key, members) in enumerate(samples, start=1):
                    if number > skip:
                        self._position = tar.offset / self._size
                        yield self._sample(number, key, list(members), tar)
        except _ERRORS as error:
            raise UnreadableFile(f"{self.name}: the tar file is damaged: create it again") from error
        self._position = 1.0

    def _sample(self, number: int, key: str, members: list[tarfile.TarInfo], tar: tarfile.TarFile) -> Record:
        where, default_id = f"sample {printable(key)}", numbered_id(self.name, number)
        limit = max(self.limits.of_file(self.kind), self.limits.row(self.kind))
        size = sum(member.size for member in members)
        if size > limit:
            return Record(where, None, f"the sample {too_large(limit)}", default_id=default_id)
        fields: dict[str, Any] = {}
        for member in members:
            file = tar.extractfile(member)
            assert file is not None
            suffix = member.name[len(key) + 1 :].lower()
            problem = self._take(fields, suffix, file.read())
            if problem:
                return Record(where, None, problem, default_id=default_id)
        return Record(where, fields, default_id=default_id, size=size)

    def _take(self, fields: dict[str, Any], suffix: str, content: bytes) -> str:
        """Add the content of a file to the fields of its sample; return the problem, "" without one. Files of other
        kinds are left out.
        """
        if suffix == "json":
            about, problem = parse_object(content)
            fields |= about or {}
            return problem and f"its .json: {problem}"
        if suffix in ("txt", "cls"):
            text, problem = decode(content)
            fields.setdefault("text" if suffix == "txt" else "label", text.strip() if suffix == "cls" else text)
            return problem and f"its .{suffix} {problem}"
        if suffix == "npy" and "npy" in self.kind.forms:
            vector = _vector(content)
            if vector is None:
                return "its .npy is no whole array of numbers in 1 dimension: save it again with numpy.save"
            fields[self.kind.name] = vector
        elif isinstance(self.kind, FileKind) and f".{suffix}" in self.kind.suffixes:
            fields[self.kind.name] = content
        return ""


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the files of the tar file, without keeping them in memory."""
    while member := tar.next():
        tar.members.clear()  # type: ignore[attr-defined]
        if member.isfile() and not PurePosixPath(member.name).name.startswith("."):
            yield member


def _key(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}{file.partition('.')[0]}"


def _count(file: BinaryIO, size: int) -> int:
    """Return the number of samples, from the headers alone. Raises ValueError for a file without its end."""
    keys, last = 0, None
    at = 0
    while True:
        file.seek(at)
        header = file.read(tarfile.BLOCKSIZE)
        if len(header) < tarfile.BLOCKSIZE:
            raise ValueError("the end is missing")
        if not header.strip(b"\0"):
            return keys
        info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        if info.type in _FILES and (key := _key(info.name)) != last:
            keys, last = keys + 1, key
        at += tarfile.BLOCKSIZE * (1 + -(-info.size // tarfile.BLOCKSIZE))


def _vector(content: bytes) -> np.ndarray | None:
    """Return the array in a .npy file; None unless it is whole, of numbers, and has 1 dimension."""
    file = io.BytesIO(content)
    try:
        shape, _, dtype = npy.read_header(file)
    except npy.NOT_A_HEADER:
        return None
    if len(shape) != 1 or dtype.kind not in "fiu" or not 0 <= shape[0] * dtype.itemsize <= len(content) - file.tell():
        return None
    return np.frombuffer(content, dtype, count=shape[0], offset=file.tell())
