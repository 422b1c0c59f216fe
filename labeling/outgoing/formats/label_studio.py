"""Label Studio: JSON lists of tasks, and the labeling configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from labeling.outgoing.formats.base import JSON_OPTIONS, Layout, Page
from labeling.outgoing.formats.shards import write_shards


def write(pages: Iterable[Page], layout: Layout) -> Iterator[bytes]:
    """Write lists of tasks; without rows, an empty one."""
    return write_shards(
        _tasks(pages, layout),
        layout,
        name="tasks-{number:05}.json",
        join=lambda tasks: b"[\n" + b",\n".join(tasks) + b"\n]\n",
    )


def _tasks(pages: Iterable[Page], layout: Layout) -> Iterator[tuple[str, bytes, int]]:
    for page in pages:
        for task in layout.as_objects(page):
            line = orjson.dumps(task, option=JSON_OPTIONS)
            yield "", line, len(line)
