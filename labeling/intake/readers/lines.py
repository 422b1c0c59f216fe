"""Read the lines of a text file of any size, with at most one line, or the beginning of a long line, in memory.

Files packed by gzip, as `export.csv.gz`, are read as if they were not packed.
"""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import PurePath
from typing import BinaryIO, NamedTuple, cast

from labeling.kinds.wording import EXCERPT, MIB

from .base import Source, SourceFile, UnreadableFile

PACKED = ".gz"
_PACKED_MAGIC = b"\x1f\x8b"
_PACKED_DAMAGE = (EOFError, OSError, zlib.error)
CHUNK = 256 * 1024
_HEAD = 4096
_CONTROL = bytes({*range(32), 127} - set(b"\t\n\f\r\x1b"))
_FOREIGN = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, whose mark its own begins with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
# Decoders of these cannot hand a wrong byte on, so that a mark takes its place.
_WIDE = frozenset({"utf-16", "utf-16-le", "shift_jis", "gb18030"})


def form_suffix(name: str) -> str:
    """Return the suffix that says what a file holds, in lower case: ".csv" of "a.csv" and of "a.CSV.gz"."""
    path = PurePath(name.lower())
    return PurePath(path.stem).suffix if path.suffix == PACKED else path.suffix


def open_unpacked(file: SourceFile) -> BinaryIO:
    """Open a file, unpacked if gzip has packed it, whatever its name is. Raises UnreadableFile, as reading does."""
    packed = file.path.open("rb")
    is_packed = packed.read(len(_PACKED_MAGIC)) == _PACKED_MAGIC
    packed.seek(0)
    return cast(BinaryIO, _Unpacked(packed, file)) if is_packed else packed


class _Unpacked(gzip.GzipFile):
    """An unpacked file. Reading ends with an error at so many times the size of the packed file."""

    def __init__(self, packed: BinaryIO, file: SourceFile) -> None:
        super().__init__(fileobj=packed, mode="rb")
        self._packed, self._shown, self._ratio = packed, file.name, file.limits.unpack_ratio
        self._most = max(16 * MIB, self._ratio * file.path.stat().st_size)

    def read(self, size: int | None = -1) -> bytes:
        try:
            data = super().read(size)
        except _PACKED_DAMAGE as error:
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


class _Recoded(io.RawIOBase):
    """A text file in another encoding, read as UTF-8. A wrong byte stays a wrong byte, and costs only its row."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        errors = "replace" if encoding in _WIDE else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._rest, self._ended = b"", False

    def read(self, size: int = -1) -> bytes:
        parts, length = [self._rest], len(self._rest)
        while not self._ended and length < size:
            raw = self._file.read(CHUNK)
            self._ended = not raw
            parts.append(self._decoder.decode(raw, self._ended).encode(errors="surrogateescape"))
            length += len(parts[-1])
        every = b"".join(parts)
        self._rest = every[size:]
        return every[:size]

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to `offset` from the start, which is read up to there: only small offsets are asked for."""
        self._file.seek(0)
        self._decoder.reset()
        self._rest, self._ended = b"", False
        return len(self.read(offset))

    def tell(self) -> int:
        """Return the number of bytes read so far from the file itself."""
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


def open_text(file: SourceFile) -> BinaryIO:
    """Return the text file, which may be packed by gzip, as bytes in UTF-8, whatever encoding its layout names.

    Raises UnreadableFile, as reading does.
    """
    raw, encoding = open_unpacked(file), file.layout.encoding
    if encoding == "utf-16":
        encoding = "utf-16" if raw.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-16-le"
        raw.seek(0)
    return cast(BinaryIO, _Recoded(raw, encoding)) if encoding else raw


class TextLine(NamedTuple):
    """A line with its end (LF, CRLF or CR). If the line is too long, `raw` is only its beginning."""

    number: int  # from 1
    end: int  # bytes of the file up to and with this line
    raw: bytes
    too_long: bool


def skip_mark(file: BinaryIO, name: str) -> int:
    """Skip a UTF-8 byte order mark at the start of `file`, and return its length in bytes.

    Raises UnreadableFile if the file is empty, in UTF-16 or UTF-32, or no text.
    """
    start = file.read(_HEAD)
    head = start[:4]
    if not head:
        raise UnreadableFile(f"{name}: the file is empty")
    for mark, encoding in _FOREIGN.items():
        if head.startswith(mark):
            raise UnreadableFile(f"{name}: the file is in {encoding}: save it as UTF-8, or name its encoding")
    if b"\0" in head:
        raise UnreadableFile(f"{name}: the file is not text in UTF-8: save it as UTF-8")
    control = len(start) - len(start.translate(None, _CONTROL))
    if control >= 16 and 20 * control > len(start):  # a few stray ones in a text cost only their rows
        raise UnreadableFile(f"{name}: this does not look like text: save it as CSV or JSON Lines, in UTF-8")
    length = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    file.seek(length)
    return length


def count_bytes(raw: BinaryIO, byte: bytes) -> int:
    """Return the number of occurrences of the byte in the rest of the file."""
    return sum(chunk.count(byte) for chunk in iter(lambda: raw.read(CHUNK), b""))


class TextSource(Source):
    """A text file, which may be packed. `_text` is the open file, for the position; `per_row` is a byte of each row."""

    per_row = b"\n"

    def __init__(self, file: SourceFile) -> None:
        super().__init__(file)
        self._size = file.path.stat().st_size
        self._text: BinaryIO | None = None

    @property
    def estimate(self) -> int:
        with open_unpacked(self.file) as raw:
            return count_bytes(raw, self.per_row) + 1

    def position(self) -> float:
        # Asked for once a chunk, it need not be computed for every row.
        if self._text is not None and not self._text.closed:
            self._position = min(1.0, self._text.tell() / self._size)
        return self._position


def read_lines(file: BinaryIO, *, limit: int, start: int = 0) -> Iterator[TextLine]:
    """Yield the lines of `file` from its current position, `start` bytes in, with about `limit` bytes of memory.

    A line of more than `limit` bytes, its end included, is yielded as `too_long`.
    """
    number, end = 1, start
    tail, dropped = b"", 0
    while True:
        chunk = file.read(CHUNK)
        pieces = (tail + chunk).splitlines(keepends=True)  # of bytes: at LF, CRLF and CR only
        tail = b""
        if chunk and not pieces[-1].endswith(b"\n"):  # not ended, or by a CR that may have its LF to come
            tail = pieces.pop()
        for raw in pieces:
            end += dropped + len(raw)
            yield TextLine(number, end, raw, dropped > 0 or len(raw) > limit)
            number, dropped = number + 1, 0
        if not chunk:
            return
        if len(tail) > limit:
            kept = tail[: min(EXCERPT, limit)] + tail[-1:]  # the last byte may be that CR
            dropped += len(tail) - len(kept)
            tail = kept


def decode(raw: bytes) -> tuple[str, str]:
    """Decode `raw`, with invalid bytes replaced; return the text and the problem, "" without one."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        problem = (
            f"is not UTF-8 (byte 0x{raw[error.start]:02X} at position {error.start + 1}): save the file as UTF-8, or "
            "name its encoding"
        )
        return raw.decode(errors="replace"), problem
    if "\0" in text:
        return text.replace("\0", "\ufffd"), "holds a NUL byte, which no database stores as text: remove it"
    return text, ""
