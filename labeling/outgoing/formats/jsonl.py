"""JSON: one object a line, or the lists of tasks that Label Studio reads."""

from collections.abc import Iterable, Iterator

import orjson

from labeling.outgoing.formats.base import JSON_OPTIONS, Layout, Page
from labeling.outgoing.formats.shards import write_shards


def write_jsonl(pages: Iterable[Page], layout: Layout) -> Iterator[bytes]:
    """Write each row as a JSON object on a line."""
    options = JSON_OPTIONS | orjson.OPT_APPEND_NEWLINE
    for page in pages:
        yield b"".join(orjson.dumps(each, option=options) for each in layout.as_objects(page))


def write_lists(pages: Iterable[Page], layout: Layout) -> Iterator[bytes]:
    """Write lists of tasks; without rows, an empty one."""
    return write_shards(
        _listed(pages, layout),
        layout,
        name="tasks-{number:05}.json",
        join=lambda tasks: b"[\n" + b",\n".join(tasks) + b"\n]\n",
    )


def _listed(pages: Iterable[Page], layout: Layout) -> Iterator[tuple[str, bytes, int]]:
    for page in pages:
        for task in layout.as_objects(page):
            line = orjson.dumps(task, option=JSON_OPTIONS)
            yield "", line, len(line)
