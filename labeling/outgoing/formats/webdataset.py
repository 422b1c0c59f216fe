"""WebDataset: tar files of samples, each a few files with one number: 000000012.jpg, 000000012.cls, 000000012.json."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import count

from labeling.outgoing.formats.base import Layout, Page
from labeling.outgoing.formats.shards import write_shards

_END = bytes(2 * tarfile.BLOCKSIZE)


def write(pages: Iterable[Page], layout: Layout) -> Iterator[bytes]:
    """Write tar shards; without rows, an empty one. The numbers of samples are unique in all shards."""
    return write_shards(
        _samples(pages, layout),
        layout,
        name="{split}-{number:06}.tar",
        join=lambda samples: b"".join((*samples, _END)),
    )


def _samples(pages: Iterable[Page], layout: Layout) -> Iterator[tuple[str, bytes, int]]:
    numbers = count()
    for page in pages:
        for split, files in layout.as_samples(page):
            sample = _sample(f"{next(numbers):09}", files)
            yield split, sample, len(sample)


def _sample(key: str, files: Mapping[str, bytes]) -> bytes:
    parts: list[bytes] = []
    for suffix, content in files.items():
        info = tarfile.TarInfo(f"{key}.{suffix}")  # of 1970: equal exports are equal files
        info.size = len(content)
        parts += [info.tobuf(tarfile.USTAR_FORMAT), content, bytes(-len(content) % tarfile.BLOCKSIZE)]
    return b"".join(parts)
