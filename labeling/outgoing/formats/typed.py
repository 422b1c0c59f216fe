"""Typed columns: pages of rows as Arrow's record batches, an IPC stream of these, or a Parquet file."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labeling.outgoing.formats.base import Layout, Page, Row, columns

# A row group is what readers load at one time. Few large ones keep the footer, which stays in memory, small.
GROUP_ROWS = 10_000
GROUP_BYTES = 16 << 20


def record_batch(page: Page, layout: Layout) -> pa.RecordBatch:
    """Return the page as a record batch, with the columns and types of the layout."""
    schema = layout.schema
    return pa.RecordBatch.from_arrays(_arrays(layout.as_columns(page), list(schema)), schema=schema)


def _arrays(rows: Sequence[Row], fields: Sequence[pa.Field]) -> list[pa.Array]:
    if not rows:
        return [pa.array([], field.type) for field in fields]
    of_fields = columns(rows, [field.name for field in fields])
    return [_array(column, field.type) for column, field in zip(of_fields, fields, strict=True)]


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if not (pa.types.is_list(kind) and pa.types.is_struct(kind.value_type)) or None in values:
        return pa.array(values, kind)
    # Lists of objects are taken apart: Arrow takes longer over them.
    fields = list(kind.value_type)
    objects = pa.StructArray.from_arrays(_arrays(list(chain.from_iterable(values)), fields), fields=fields)
    offsets = pa.array(accumulate(map(len, values), initial=0), pa.int32())
    return pa.ListArray.from_arrays(offsets, objects, type=kind)


class Drain:
    """A file object for pyarrow, which only appends; `take` removes and returns the bytes written so far."""

    closed = False

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._written = 0

    def write(self, chunk: bytes) -> int:
        self._chunks.append(bytes(chunk))
        self._written += len(chunk)
        return len(chunk)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """Do nothing: written bytes are available at once."""

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        taken = b"".join(self._chunks)
        self._chunks.clear()
        return taken


def write_arrow(pages: Iterable[Page], layout: Layout) -> Iterator[bytes]:
    """Write the schema, then a record batch for each page, so that readers receive the pages one by one."""
    sink = Drain()
    with pa.ipc.new_stream(sink, layout.schema) as writer:
        for page in pages:
            writer.write_batch(record_batch(page, layout))
            yield sink.take()
    yield sink.take()


def write_parquet(pages: Iterable[Page], layout: Layout) -> Iterator[bytes]:
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
