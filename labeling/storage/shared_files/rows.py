"""Growing matrices in an object store: each matrix is a series of objects (pieces), with a local file of fetched rows.

An object cannot grow, so each append writes a new piece, `<matrix>/<first byte>`. It merges the small pieces before it
into the new piece, as a binary counter carries digits: n appends leave O(log n) small pieces after the full ones, and
each row is sent O(log n) times. A piece is written atomically, and its valid bytes never change, so a host that has
read them need not read them again.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson
from fsspec import AbstractFileSystem

from labeling.storage.disk.files import make_room
from labeling.storage.shared_files.cache import Cache

PIECE_BYTES = 16 << 20
# A read starts again if a listed piece was merged with others before the read.
TRIES = 5

Span = tuple[int, int]
"""A range of bytes of a matrix: the first byte, and the end (exclusive)."""


class _Piece(NamedTuple):
    key: str
    start: int
    stop: int


class StoredRows:
    """The matrices in an object store, each named by the key of the folder of its pieces."""

    def __init__(self, store: AbstractFileSystem, cache: Cache) -> None:
        self._store, self._cache = store, cache

    def append(self, folder: str, *, start: int, content: bytes) -> None:
        """Write `content` after the first `start` bytes of the matrix, and remove later pieces of a killed attempt.

        Raises `FileNotFoundError` if some of the first `start` bytes are missing.
        """
        pieces = self._pieces(folder)
        before = [piece for piece in pieces if piece.start < start]
        if start > max((piece.stop for piece in before), default=0):
            raise FileNotFoundError(f"of {start} bytes of {folder}, the last are missing")
        parts, first, stop = [content], start, start + len(content)
        # A piece of a killed attempt may reach beyond `start`, and may overlap later pieces.
        while before and (max(piece.stop for piece in before) > first or _is_small(before[-1], stop)):
            key, begin, _ = before.pop()
            parts.insert(0, self._store.cat_file(key, start=0, end=first - begin))
            first = begin
        self._store.pipe_file(f"{folder}/{first:016d}", b"".join(parts))
        for piece in pieces:
            if piece.start > first:
                self._store.rm_file(piece.key)

    def rewrite(self, folder: str, *, start: int, content: bytes) -> None:
        """Write `content` into the matrix from byte `start` on, over present bytes and into gaps."""
        stop, left = start + len(content), [(start, start + len(content))]
        for key, begin, end in self._pieces(folder):
            first, last = max(start, begin), min(stop, end)
            if first < last:
                piece = bytearray(self._store.cat_file(key))
                piece[first - begin : last - begin] = content[first - start : last - start]
                self._store.pipe_file(key, bytes(piece))
                left = [part for span in left for part in _without(span, [(first, last)])]
        for first, last in left:
            self._store.pipe_file(f"{folder}/{first:016d}", content[first - start : last - start])

    def bring(self, folder: str, path: Path, span: Span) -> int:
        """Copy these bytes of the matrix into the file at `path`, at the same positions. Returns the fetched bytes.

        Raises `FileNotFoundError` if the store lacks some of them.
        """
        with self._opened(path) as file:
            present = self._present(path, file)
            missing = _without(span, present)
            if not missing:
                return 0
            for start, stop in missing:
                for at, content in self._read(folder, start, stop):
                    file.seek(at)
                    file.write(content)
            file.flush()
            os.fsync(file.fileno())  # before the note: a note must not survive a crash that loses the bytes
            inode = os.fstat(file.fileno()).st_ino
        self._cache.note(path, orjson.dumps(_joined([*present, *missing])).decode(), inode)
        return sum(stop - start for start, stop in missing)

    def _opened(self, path: Path) -> BinaryIO:
        self._cache.used(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        make_room(path)
        try:
            file = path.open("x+b")
        except FileExistsError:
            return path.open("r+b")
        self._cache.forget_mark(path)  # a leftover note is of a removed file
        return file

    def _present(self, path: Path, file: BinaryIO) -> list[Span]:
        """Return the spans that the file holds, from the note beside it; none if the file was truncated since."""
        present = [(start, stop) for start, stop in orjson.loads(self._cache.mark_of(path) or "[]")]
        is_whole = max((stop for _, stop in present), default=0) <= file.seek(0, os.SEEK_END)
        return present if is_whole else []

    def _read(self, folder: str, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """Yield the bytes from `start` to `stop` in parts, each with its position."""
        for attempt in range(TRIES):
            try:
                for piece in self._pieces(folder):
                    if piece.start <= start < piece.stop:
                        end = min(stop, piece.stop)
                        yield start, self._store.cat_file(piece.key, start=start - piece.start, end=end - piece.start)
                        start = end
                    if start == stop:
                        return
            except FileNotFoundError:
                if attempt == TRIES - 1:
                    raise
        raise FileNotFoundError(f"{folder} has not the bytes from {start} to {stop}")

    def _pieces(self, folder: str) -> list[_Piece]:
        """Return the pieces in order. Where two overlap, the earlier one has all valid bytes of the later one."""
        try:
            listed = self._store.ls(folder, detail=True)
        except FileNotFoundError:
            return []
        names = {entry["name"]: entry for entry in listed if entry["name"].rpartition("/")[2].isdigit()}
        starts = {name: int(name.rpartition("/")[2]) for name in names}
        return [_Piece(name, starts[name], starts[name] + names[name]["size"]) for name in sorted(names)]


def _is_small(piece: _Piece, stop: int) -> bool:
    """Return whether an append merges the piece with the bytes after it, up to `stop`.

    It does if the piece is no larger than those bytes, and both together fit in `PIECE_BYTES`.
    """
    return piece.stop - piece.start <= stop - piece.stop and stop - piece.start <= PIECE_BYTES


def _without(span: Span, present: Sequence[Span]) -> list[Span]:
    """Return the parts of `span` that the sorted spans `present` do not cover."""
    start, missing = span[0], []
    for begin, end in present:
        if begin > start:
            missing.append((start, min(begin, span[1])))
        start = max(start, end)
        if start >= span[1]:
            break
    else:
        missing.append((start, span[1]))
    return [(begin, end) for begin, end in missing if begin < end]


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Return the spans sorted, with overlapping and touching spans joined."""
    joined: list[Span] = []
    for start, stop in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
