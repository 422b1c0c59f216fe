"""Matrices that grow, in an object store: pieces of rows, each an object, and a file with those that were asked for.

An object cannot grow. So what is appended is a piece of its own, `<matrix>/<first byte>`, and small pieces in front of
it are put together with it, as digits are carried in a binary counter: n appends leave O(log n) small pieces behind the
full ones, and each row is sent O(log n) times. A piece is written in one step, and what counts of it stays as it is:
whoever has read it need not read it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson
from fsspec import AbstractFileSystem

from labeling.disk import make_room
from labeling.shared_files.copies import Copies

PIECE_BYTES = 16 << 20
# A piece that is listed may have been put together with others before it is read.
TRIES = 5

Span = tuple[int, int]
"""Bytes of a matrix: the first, and the one behind the last."""


class _Piece(NamedTuple):
    key: str
    start: int
    stop: int


class StoredRows:
    """Matrices in a store, known by the key of the folder of their pieces."""

    def __init__(self, store: AbstractFileSystem, copies: Copies) -> None:
        self._store, self._copies = store, copies

    def append(self, folder: str, *, start: int, content: bytes) -> None:
        """Put `content` behind the first `start` bytes of the matrix. What a killed attempt left there goes."""
        pieces = self._pieces(folder)
        before = [piece for piece in pieces if piece.start < start]
        if start > max((piece.stop for piece in before), default=0):
            raise FileNotFoundError(f"of {start} bytes of {folder}, the last are missing")
        parts, first, stop = [content], start, start + len(content)
        # One that a killed attempt wrote may reach further than what counts, and have others behind its beginning.
        while before and (max(piece.stop for piece in before) > first or _is_small(before[-1], stop)):
            key, begin, _ = before.pop()
            parts.insert(0, self._store.cat_file(key, start=0, end=first - begin))
            first = begin
        self._store.pipe_file(f"{folder}/{first:016d}", b"".join(parts))
        for piece in pieces:
            if piece.start > first:
                self._store.rm_file(piece.key)

    def rewrite(self, folder: str, *, start: int, content: bytes) -> None:
        """Put `content` in the place of what the matrix has from byte `start` on, or where it has lost that."""
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
        """Make these bytes of the matrix lie in the file at `path`, at their places. Returns how many were missing.

        Raises `FileNotFoundError` where the store has not all of them.
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
            os.fsync(file.fileno())  # the note must not outlive the bytes
            inode = os.fstat(file.fileno()).st_ino
        self._copies.note(path, orjson.dumps(_joined([*present, *missing])).decode(), inode)
        return sum(stop - start for start, stop in missing)

    def _opened(self, path: Path) -> BinaryIO:
        self._copies.used(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        make_room(path)
        try:
            file = path.open("x+b")
        except FileExistsError:
            return path.open("r+b")
        self._copies.forget_mark(path)  # it is of a file that was removed
        return file

    def _present(self, path: Path, file: BinaryIO) -> list[Span]:
        """What lies in the file, by the note beside it; nothing if the file was cut off since."""
        present = [(start, stop) for start, stop in orjson.loads(self._copies.mark_of(path) or "[]")]
        is_whole = max((stop for _, stop in present), default=0) <= file.seek(0, os.SEEK_END)
        return present if is_whole else []

    def _read(self, folder: str, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """The bytes from `start` to `stop`, part by part, and where each part begins."""
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
        """The pieces, in order. Of two that overlap the earlier one has what the later one has, as far as it counts."""
        try:
            listed = self._store.ls(folder, detail=True)
        except FileNotFoundError:
            return []
        names = {entry["name"]: entry for entry in listed if entry["name"].rpartition("/")[2].isdigit()}
        starts = {name: int(name.rpartition("/")[2]) for name in names}
        return [_Piece(name, starts[name], starts[name] + names[name]["size"]) for name in sorted(names)]


def _is_small(piece: _Piece, stop: int) -> bool:
    """Whether a piece is put together with what lies behind it, up to `stop`: it is no larger than that."""
    return piece.stop - piece.start <= stop - piece.stop and stop - piece.start <= PIECE_BYTES


def _without(span: Span, present: Sequence[Span]) -> list[Span]:
    """The parts of a span that those present, in order, do not cover."""
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
    """The same bytes as spans in order, of which no two touch."""
    joined: list[Span] = []
    for start, stop in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
