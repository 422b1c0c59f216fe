"""The items' files in folders, once each, beside tables that describe them: `train/cat/001.jpg`,
`train/metadata.parquet`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from labeling.outgoing.exports.card import card_of
from labeling.outgoing.exports.dataset import LOADING, typed_rows
from labeling.outgoing.exports.facts import Facts
from labeling.outgoing.exports.files import Names, opened, with_files
from labeling.outgoing.formats import Layout, Page
from labeling.outgoing.formats.base import Shard
from labeling.outgoing.formats.huggingface import front_matter
from labeling.outgoing.formats.typed import Drain, record_batch

GROUP_ROWS = 10_000


def described_layout(facts: Facts) -> Layout:
    """Return the files with their names in the archive, and the tables and the card that close it. Of the tables, the
    compressed rows are in memory until then.
    """
    schema, rows = typed_rows(facts, ("file_name", pa.string(), None))
    names = Names(facts.question, facts.classes, facts.kind)
    tables: dict[str, _Table] = defaultdict(lambda: _Table(Layout(schema)))

    def files(page: Page) -> Iterator[tuple[str, BinaryIO]]:
        for row in with_files(rows.known(page)):
            name = names.once(row)
            tables[row["split"]].add(rows.row(row, PurePosixPath(name).relative_to(row["split"]).as_posix()))
            yield from opened([(name, row)])

    def closing(shards: Sequence[Shard]) -> Iterator[tuple[str, bytes]]:
        for split, table in tables.items():
            yield f"{split}/metadata.parquet", table.close()
        yield (
            "README.md",
            card_of(facts, rows.counts, tables, front_matter(facts.title, [*tables], "{split}/**"), LOADING),
        )

    return Layout(schema, as_files=files, closing=closing)


class _Table:
    """A Parquet file in memory, written row by row."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._sink = Drain()
        self._writer = pq.ParquetWriter(self._sink, layout.schema, compression="zstd")
        self._rows: Page = []

    def add(self, row: dict[str, object]) -> None:
        self._rows.append(row)
        if len(self._rows) == GROUP_ROWS:
            self._write()

    def close(self) -> bytes:
        if self._rows:
            self._write()
        self._writer.close()
        return self._sink.take()

    def _write(self) -> None:
        self._writer.write_batch(record_batch(self._rows, self._layout))
        self._rows = []
