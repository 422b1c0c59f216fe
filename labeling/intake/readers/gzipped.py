"""Text files packed by gzip, as `export.csv.gz`: read as if they were not packed."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path, PurePath
from typing import BinaryIO, cast

from labeling.kinds.wording import MIB

from .base import Limits, UnreadableFile

SUFFIX = ".gz"
_MAGIC = b"\x1f\x8b"
_DAMAGE = (EOFError, OSError, zlib.error)


def form_suffix(name: str) -> str:
    """Return the suffix that says what a file holds, in lower case: ".csv" of "a.csv" and of "a.CSV.gz"."""
    path = PurePath(name.lower())
    return PurePath(path.stem).suffix if path.suffix == SUFFIX else path.suffix


def open_unpacked(path: Path, *, name: str, limits: Limits) -> BinaryIO:
    """Open a file, unpacked if gzip has packed it, whatever its name is. Raises UnreadableFile, as reading does."""
    file = path.open("rb")
    is_packed = file.read(len(_MAGIC)) == _MAGIC
    file.seek(0)
    if not is_packed:
        return file
    most = max(16 * MIB, limits.unpack_ratio * path.stat().st_size)
    return cast(BinaryIO, _Unpacked(file, name=name, most=most, ratio=limits.unpack_ratio))


class _Unpacked(gzip.GzipFile):
    """An unpacked file. Reading ends at `most` bytes, with an error."""

    def __init__(self, file: BinaryIO, *, name: str, most: int, ratio: int) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._packed, self._shown, self._most, self._ratio = file, name, most, ratio

    def read(self, size: int | None = -1) -> bytes:
        try:
            data = super().read(size)
        except _DAMAGE as error:
            raise UnreadableFile(f"{self._shown}: the packed file is damaged or cut short: pack it again") from error
        if super().tell() > self._most:
            raise UnreadableFile(f"{self._shown}: it unpacks to more than {self._ratio} times its size: it is not read")
        return data

    def tell(self) -> int:
        """Return the number of bytes read so far from the packed file."""
        return self._packed.tell()

    def close(self) -> None:
        super().close()
        self._packed.close()
