"""Items and labels as a dataset for training: typed columns, the splits of the files by class, a card; or the items'
files in folders, once each, beside tables that describe them: `train/cat/001.jpg`, `train/metadata.parquet`.

It names no people: the columns leave out who answered.
"""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from django.utils import timezone

from labeling.intake.row_labels import FACTS
from labeling.outgoing.exports.card import Counts, card_of
from labeling.outgoing.exports.columns import schema_for
from labeling.outgoing.exports.facts import Facts
from labeling.outgoing.exports.files import Names, opened, with_contents, with_files
from labeling.outgoing.exports.short import free_name
from labeling.outgoing.formats import Layout, Page, Row
from labeling.outgoing.formats.base import Shard, splits_of
from labeling.outgoing.formats.croissant import metadata
from labeling.outgoing.formats.huggingface import GIT, Column, Feature, class_label, with_features
from labeling.outgoing.formats.typed import Drain, record_batch

LOADING = """from datasets import load_dataset

rows = load_dataset("{folder}")"""

GROUP_ROWS = 10_000

_FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def dataset_layout(facts: Facts) -> Layout:
    """Return the columns, splits and card."""
    rows = Rows(facts, _content(facts))
    return Layout(rows.schema, as_parts=rows.parts, opening=[GIT], closing=lambda shards: [_card(rows, shards)])


def croissant_layout(facts: Facts) -> Layout:
    """Return the layout of the dataset, with Croissant's metadata beside the card."""
    rows = Rows(facts, _content(facts))

    def closing(shards: Sequence[Shard]) -> Iterator[tuple[str, bytes]]:
        yield _card(rows, shards)
        description = f"{facts.kind.plural.capitalize()} with labels, exported by Marginalia."
        about = (facts.project.name, description, *_edition(facts, rows.counts))
        yield "croissant.json", metadata(*about, rows.schema, facts.classes, shards)

    return Layout(rows.schema, as_parts=rows.parts, opening=[GIT], closing=closing)


def _card(rows: Rows, shards: Sequence[Shard]) -> tuple[str, bytes]:
    return card_of(rows.facts, rows.counts, splits_of(shards), "data/{split}-*.parquet", LOADING, rows.schema)


def _edition(facts: Facts, counts: Counts) -> tuple[str, datetime.date]:
    """Return version and date of the labels, or for both the newest label's day: equal exports are equal files."""
    if dataset := facts.choice.get("dataset"):
        return f"{dataset.number}.{len(dataset.replaced)}.0", dataset.created_at.date()
    day = max(counts.days, default=timezone.now().date())
    return f"{day.year}.{day.month}.{day.day}", day


def _content(facts: Facts) -> Column:
    kind = facts.kind
    if kind.is_file:
        return kind.name, _FILE, {"_type": kind.name.capitalize()}
    if kind.columns:
        return kind.name, pa.string(), None
    return kind.name, pa.list_(pa.float32(), facts.project.vector_length or 1), None


def _classes(label: pa.DataType, names: Sequence[str]) -> tuple[pa.DataType, Feature]:
    """Return the type and feature of labels: the places of classes for names of classes; others as exported."""
    if label == pa.string():
        return pa.int64(), class_label(names)
    if label == pa.list_(pa.string()):
        return pa.list_(pa.int64()), {"feature": class_label(names), "_type": "Sequence"}
    return label, None


class Rows:
    """Turns rows of an export into rows with typed columns, and counts them for the card."""

    def __init__(self, facts: Facts, content: Column) -> None:
        """`content`: the column of the items themselves. Takes one query or two, for the names of imported fields."""
        question, exported = facts.question, schema_for(facts.question)
        columns = [content, ("label", *_classes(exported.field("label").type, facts.classes))]
        if question.proposes:
            columns.append(("proposed", *_classes(pa.string(), facts.classes)))
        columns += [(name, exported.field(name).type, None) for name in FACTS]
        self._fields: dict[str, str] = {}
        """The column of each imported field."""
        for name in facts.fields:
            self._fields[name] = free_name(name, {*(name for name, _, _ in columns), *self._fields.values()})
        columns += [(name, pa.string(), None) for name in self._fields.values()]
        self.facts, self.schema, self.counts = facts, with_features(columns), Counts(question)
        self._content = content[0]
        self._indices = {name: index for index, name in enumerate(facts.classes)}
        self._names = Names(question, (), facts.kind)

    def parts(self, page: Page) -> Iterator[tuple[str, Page]]:
        """Yield the page's rows by split; rows with a file one by one."""
        by_split: dict[str, Page] = defaultdict(list)
        for row, content in with_contents(self.known(page), self.facts.kind):
            if isinstance(content, bytes):
                content = {"bytes": content, "path": self._names.within(row)}
            by_split[row["split"]].append(self.row(row, content))
            if self.facts.kind.is_file:
                yield by_split.popitem()
        yield from by_split.items()

    def known(self, page: Page) -> Page:
        """Return the rows without those whose class was added after the list of classes was read."""
        return [row for row in page if self._is_known(row)]

    def row(self, row: Row, content: Any) -> Row:
        """Return the row of the dataset, with the item itself, and count it."""
        self.counts.add(row)
        data = json.loads(row["data"])
        return {
            **row,
            **{column: _text(data.get(name)) for name, column in self._fields.items()},
            self._content: content,
            "label": None if row["label"] is None else self.facts.question.encoded(row["label"], self._indices),
            "proposed": self._indices.get(row["proposed"]),
        }

    def _is_known(self, row: Row) -> bool:
        names = set() if row["label"] is None else self.facts.question.names_in(row["label"])
        return self._indices.keys() >= names | ({row["proposed"]} if row["proposed"] else set())


def _text(value: Any) -> str | None:
    """Texts as they are, other values as JSON: a field may have values of several types."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def described_layout(facts: Facts) -> Layout:
    """Return the files with their names in the archive, and the tables and the card that close it. Of the tables, the
    compressed rows are in memory until then.
    """
    rows = Rows(facts, ("file_name", pa.string(), None))
    names = Names(facts.question, facts.classes, facts.kind)
    tables: dict[str, _Table] = defaultdict(lambda: _Table(Layout(rows.schema)))

    def files(page: Page) -> Iterator[tuple[str, BinaryIO]]:
        for row in with_files(rows.known(page)):
            name = names.once(row)
            tables[row["split"]].add(rows.row(row, PurePosixPath(name).relative_to(row["split"]).as_posix()))
            yield from opened([(name, row)])

    def closing(shards: Sequence[Shard]) -> Iterator[tuple[str, bytes]]:
        for split, table in tables.items():
            yield f"{split}/metadata.parquet", table.close()
        yield card_of(facts, rows.counts, [*tables], "{split}/**", LOADING)

    return Layout(rows.schema, as_files=files, closing=closing)


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
