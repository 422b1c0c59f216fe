"""Zip: the items' files in folders. They are stored as they are, for images and recordings are compressed already."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial

from labeling.outgoing.formats.base import Layout, Page
from labeling.outgoing.formats.shards import Archive

PIECE = 1 << 20


def write(pages: Iterable[Page], layout: Layout) -> Iterator[bytes]:
    """Write the files one after the other, in pieces. Of the archive, only the list of its names is in memory."""
    archive = Archive()
    for page in pages:
        for name, file in layout.as_files(page):
            pieces = iter(partial(file.read, PIECE), b"")
            yield from archive.stream(name, pieces, size=os.fstat(file.fileno()).st_size)
    for name, content in layout.closing([]):
        yield archive.store(name, content)
    yield archive.close()
