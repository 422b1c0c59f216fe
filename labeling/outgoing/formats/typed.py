"""Convert pages of rows to Arrow's record batches, and collect the written bytes of a file in memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa

from labeling.outgoing.formats.base import Layout, Page, Row, columns


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
