"""WebDataset's tar files: consecutive files of one name, up to its first dot, are a sample."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Self

import numpy as np

from labeling.intake.answer_cells import ClassIndex
from labeling.kinds import FileKind
from labeling.kinds.wording import MIB, printable, too_large
from labeling.storage.disk import npy

from .base import Record, Source, SourceFile, UnreadableFile, numbered_id
from .json_file import parse_object
from .lines import decode

# The errors of tarfile for damaged or hostile tar files.
TAR_ERRORS = (tarfile.TarError, OSError, EOFError, ValueError, ArithmeticError, LookupError, RecursionError)
_DIGITS = 10  # of an index
_ABOUT_THE_NEXT = b"xgXLK"  # types of headers whose content tarfile holds in memory: pax headers, and GNU's long names
_MOST_ABOUT_ONE = 20  # such headers of a file. tarfile recurses into each, and libraries raise Python's own limit.


class _Header(tarfile.TarInfo):
    """A header that raises ValueError where tarfile would end the file silently, or read too much into memory."""

    @classmethod
    def fromtarfile(cls, tarfile: Any) -> Self:
        tarfile.depth = getattr(tarfile, "depth", 0) + 1
        if tarfile.depth > _MOST_ABOUT_ONE:
            raise ValueError("too many headers for one file")
        try:
            return super().fromtarfile(tarfile)
        finally:
            tarfile.depth -= 1

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not buf.strip(b"\0") and len(buf) == tarfile.BLOCKSIZE:  # the end of the files
                raise
            raise ValueError("a header is damaged") from error
        if header.size < 0 or (header.type in _ABOUT_THE_NEXT and header.size > MIB):
            raise ValueError("a header has an impossible size")
        return header


class TarSource(Source):
    """A tar file of samples. A file that is cut short is refused before its first record."""

    def __init__(self, file: SourceFile) -> None:
        super().__init__(file)
        try:
            with file.path.open("rb") as tar:
                self.total: int = count_samples(tar)
        except TAR_ERRORS as error:
            raise UnreadableFile(f"{self.name}: the tar file is damaged or cut short: create it again") from error

    def _records(self, skip: int) -> Iterator[Record]:
        try:
            with closing(tarfile.open(self.path, "r:", tarinfo=_Header)) as tar:
                for number, (key, members) in enumerate(_samples(tar), start=1):
                    if number > skip:
                        yield self._sample(number, key, list(members), tar)
        except TAR_ERRORS as error:
            raise UnreadableFile(f"{self.name}: the tar file is damaged: create it again") from error

    def _sample(self, number: int, key: str, members: list[tarfile.TarInfo], tar: tarfile.TarFile) -> Record:
        where, default_id = f"sample {printable(key)}", numbered_id(self.name, number)
        limit = max(self.limits.of_file(self.kind), self.file.row_limit)
        size = sum(member.size for member in members)
        if size > limit:
            return Record(where, None, f"the sample {too_large(limit)}", default_id=default_id)
        fields: dict[str, Any] = {}
        for member in members:
            file = tar.extractfile(member)
            assert file is not None
            suffix = member.name[len(key) + 1 :].lower()
            problem = self._add_file(fields, suffix, file.read())
            if problem:
                return Record(where, None, problem, default_id=default_id)
        return Record(where, fields, default_id=default_id, size=size)

    def _add_file(self, fields: dict[str, Any], suffix: str, content: bytes) -> str:
        """Add the content of a file of a known kind to the fields of its sample. Return the problem, or ""."""
        if suffix == "json":
            about, problem = parse_object(content)
            fields |= about or {}
            return problem and f"its .json: {problem}"
        if suffix in ("txt", "cls"):
            text, problem = decode(content)
            fields.setdefault("text" if suffix == "txt" else "label", text if suffix == "txt" else _class(text.strip()))
            return problem and f"its .{suffix} {problem}"
        if suffix == "npy" and "npy" in self.kind.forms:
            vector = _vector(content)
            if vector is None:
                return "its .npy is no whole array of numbers in 1 dimension: save it again with numpy.save"
            fields[self.kind.name] = vector
        elif isinstance(self.kind, FileKind) and f".{suffix}" in self.kind.suffixes:
            fields[self.kind.name] = content
        return ""


def _class(text: str) -> str | ClassIndex:
    """Return the content of a .cls file: WebDataset's index of a class, or the name of one."""
    return ClassIndex(int(text)) if text.isascii() and text.isdecimal() and len(text) < _DIGITS else text


def _samples(tar: tarfile.TarFile) -> Iterator[tuple[str, Iterator[tarfile.TarInfo]]]:
    return groupby(_members(tar), key=lambda member: _key(member.name))


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the files of the tar file, without keeping them in memory."""
    while member := tar.next():
        tar.members.clear()  # type: ignore[attr-defined]
        if member.size < 0:  # by a pax header; tarfile would go back, and read the same headers for ever
            raise ValueError("a file has an impossible size")
        if member.isfile() and not PurePosixPath(member.name).name.startswith("."):
            yield member


def _key(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}{file.partition('.')[0]}"


def count_samples(file: BinaryIO) -> int:
    """Return the number of samples, from the headers. Raises one of TAR_ERRORS unless the tar file is whole."""
    with closing(tarfile.open(fileobj=file, mode="r:", tarinfo=_Header)) as tar:
        count = sum(1 for _ in _samples(tar))
    # tarfile has read the first of the two empty blocks that end a tar file.
    if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise ValueError("the end is missing")
    while rest := file.read(MIB):
        if rest.strip(b"\0"):
            raise ValueError("more files follow the end")
    return count


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
