"""Arrow's IPC stream: the columns and types of Parquet, a record batch for each page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from labeling.outgoing.formats.base import Layout, Page
from labeling.outgoing.formats.typed import Drain, record_batch


def write(pages: Iterable[Page], layout: Layout) -> Iterator[bytes]:
    """Write the schema, then a record batch for each page, so that readers receive the pages one by one."""
    sink = Drain()
    with pa.ipc.new_stream(sink, layout.schema) as writer:
        for page in pages:
            writer.write_batch(record_batch(page, layout))
            yield sink.take()
    yield sink.take()
