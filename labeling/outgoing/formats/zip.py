"""Zip: the items' files in folders. They are stored as they are, for images and recordings are compressed already."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator

from labeling.outgoing.formats.base import Layout, Page
from labeling.outgoing.formats.typed import Drain

PIECE = 1 << 20


def write(pages: Iterable[Page], layout: Layout) -> Iterator[bytes]:
    """Write the files one after the other, in pieces. Of the archive, only the list of its names is in memory.

    A stream that ends early has no list of names at its end, so no program takes it for a whole archive.
    """
    sink = Drain()
    with zipfile.ZipFile(sink, "w") as archive:
        for page in pages:
            for name, file in layout.as_files(page):
                info = zipfile.ZipInfo(name)  # of 1980: equal exports are equal files
                info.file_size = os.fstat(file.fileno()).st_size
                with archive.open(info, "w") as entry:
                    while piece := file.read(PIECE):
                        entry.write(piece)
                        yield sink.take()
                yield sink.take()
    yield sink.take()
