"""JSONL: one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from labeling.outgoing.formats.base import JSON_OPTIONS, Layout, Page


def write(pages: Iterable[Page], layout: Layout) -> Iterator[bytes]:
    """Write each row as a JSON object on a line."""
    options = JSON_OPTIONS | orjson.OPT_APPEND_NEWLINE
    for page in pages:
        yield b"".join(orjson.dumps(each, option=options) for each in layout.as_objects(page))
