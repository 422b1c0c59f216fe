"""Zip archives: of shards, which are files of one split each, written as soon as they are large enough; or of the
items' files, stored as they are, for images and recordings are compressed already.
"""

import hashlib
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from labeling.outgoing.formats.base import Layout, Page, Shard
from labeling.outgoing.formats.typed import Drain

SHARD_BYTES = 16 << 20
PIECE = 1 << 20

T = TypeVar("T")


class Archive:
    """A zip file that is read while it is written. Equal contents are equal files.

    A stream that ends early has no list of names at its end, so no program takes it for a whole archive.
    """

    def __init__(self) -> None:
        self._sink = Drain()
        self._zip = zipfile.ZipFile(self._sink, "w")

    def store(self, name: str, content: bytes) -> bytes:
        """Add a file, and return the bytes of the archive that are not taken yet."""
        self._zip.writestr(zipfile.ZipInfo(name), content)  # of 1980
        return self._sink.take()

    def stream(self, name: str, pieces: Iterable[bytes], *, size: int) -> Iterator[bytes]:
        """Add a file of `size` bytes piece by piece."""
        info = zipfile.ZipInfo(name)
        info.file_size = size
        with self._zip.open(info, "w") as entry:
            for piece in pieces:
                entry.write(piece)
                yield self._sink.take()
        yield self._sink.take()

    def close(self) -> bytes:
        self._zip.close()
        return self._sink.take()


def write_shards(
    parts: Iterable[tuple[str, T, int]], layout: Layout, *, name: str, join: Callable[[Sequence[T]], bytes]
) -> Iterator[bytes]:
    """Write the layout's opening files, the shards, and its closing files. Of each split, no more than a shard is
    in memory.

    parts: the split of each part, the part, and its bytes. Without parts, an empty shard is written.
    name: the pattern of a shard's name, such as "data/{split}-{number:05}.parquet".
    join: returns the content of a shard of these parts.
    """
    archive = Archive()
    for file, content in layout.opening:
        yield archive.store(file, content)
    shards: list[Shard] = []
    for split, gathered in _gathered(parts):
        content = join(gathered)
        number = sum(shard.split == split for shard in shards)
        shards.append(Shard(split, name.format(split=split, number=number), hashlib.sha256(content).hexdigest()))
        yield archive.store(shards[-1].name, content)
    for file, content in layout.closing(shards):
        yield archive.store(file, content)
    yield archive.close()


def _gathered(parts: Iterable[tuple[str, T, int]]) -> Iterator[tuple[str, list[T]]]:
    pending: dict[str, list[T]] = {}
    sizes: Counter[str] = Counter()
    for split, part, size in parts:
        pending.setdefault(split, []).append(part)
        sizes[split] += size
        if sizes[split] >= SHARD_BYTES:
            yield split, pending.pop(split)
            sizes[split] = 0
    yield from pending.items()
    if not sizes:
        yield "train", []


def write_files(pages: Iterable[Page], layout: Layout) -> Iterator[bytes]:
    """Write the files one after the other, in pieces. Of the archive, only the list of its names is in memory."""
    archive = Archive()
    for page in pages:
        for name, file in layout.as_files(page):
            pieces = iter(partial(file.read, PIECE), b"")
            yield from archive.stream(name, pieces, size=os.fstat(file.fileno()).st_size)
    for name, content in layout.closing([]):
        yield archive.store(name, content)
    yield archive.close()
