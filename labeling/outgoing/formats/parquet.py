"""Parquet: typed columns, compressed, in row groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from labeling.outgoing.formats.base import Layout, Page
from labeling.outgoing.formats.typed import Drain, record_batch

# A row group is what readers load at one time. Few large ones keep the footer, which stays in memory, small.
GROUP_ROWS = 10_000
GROUP_BYTES = 16 << 20


def write(pages: Iterable[Page], layout: Layout) -> Iterator[bytes]:
    """Write a Parquet file, with one row group in memory at a time."""
    sink = Drain()
    with pq.ParquetWriter(sink, layout.schema, compression="zstd") as writer:
        yield sink.take()  # the format's mark: who waits sees that it begins
        for group in _groups(pages, layout):
            writer.write_table(group)
            yield sink.take()
    yield sink.take()


def _groups(pages: Iterable[Page], layout: Layout) -> Iterator[pa.Table]:
    pending: list[pa.RecordBatch] = []
    rows = size = 0
    for page in pages:
        batch = record_batch(page, layout)
        pending.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            yield pa.Table.from_batches(pending)
            pending, rows, size = [], 0, 0
    if pending:
        yield pa.Table.from_batches(pending)
