"""Parquet, written row group by row group to a buffer that is emptied as it fills."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from labeling.exports.columns import COLUMNS, Page

# A row group is what readers load at one time. Few large ones keep the footer, which stays in memory, small.
GROUP_ROWS = 10_000
GROUP_BYTES = 16 << 20

_TIME = pa.timestamp("us", tz="UTC")
_LABELS = {"single": pa.string(), "multi": pa.list_(pa.string()), "verify": pa.bool_()}


def schema_for(question: str) -> pa.Schema:
    """The typed columns for a project's question."""
    who = [("id", pa.string()), ("annotator", pa.string())]
    when = [("seconds", pa.float64()), ("flagged", pa.bool_()), ("created_at", _TIME)]
    types = {
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "text": pa.string(),
        "json": pa.string(),
        "time": _TIME,
        "label": _LABELS[question],
        "answers": pa.list_(pa.struct([*who, ("value", _LABELS[question]), *when])),
        "skips": pa.list_(pa.struct([*who, ("reason", pa.string()), *when])),
    }
    return pa.schema([(column.name, types[column.kind]) for column in COLUMNS])


def parquet(rows: Iterable[Page], question: str) -> Iterator[bytes]:
    """A Parquet file; the whole of it is never in memory, a row group is."""
    schema = schema_for(question)
    sink = _Drain()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for group in _groups(rows, schema):
            writer.write_table(group)
            yield sink.take()
    yield sink.take()


def _groups(rows: Iterable[Page], schema: pa.Schema) -> Iterator[pa.Table]:
    pending: list[pa.RecordBatch] = []
    for page in rows:
        pending.append(pa.RecordBatch.from_pylist(page, schema=schema))
        if sum(b.num_rows for b in pending) >= GROUP_ROWS or sum(b.nbytes for b in pending) >= GROUP_BYTES:
            yield pa.Table.from_batches(pending)
            pending = []
    if pending:
        yield pa.Table.from_batches(pending)


class _Drain:
    """A file to pyarrow, which only ever appends; what was written is taken out from time to time."""

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
        """Nothing is held back."""

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        taken = b"".join(self._chunks)
        self._chunks.clear()
        return taken
