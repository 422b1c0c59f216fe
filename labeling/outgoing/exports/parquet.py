"""Exports as Parquet: the types of the columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from labeling.outgoing import tables
from labeling.outgoing.exports.columns import COLUMNS
from labeling.outgoing.tables import Page
from labeling.questions import Question

_TIME = pa.timestamp("us", tz="UTC")


def schema_for(question: Question) -> pa.Schema:
    """The typed columns for a project's question."""
    who = [("id", pa.string()), ("annotator", pa.string())]
    how = [("seconds", pa.float64()), ("flagged", pa.bool_()), ("guidelines_version", pa.int64())]
    when = [*how, ("created_at", _TIME)]
    label = tables.LABELS[question.exported_as]
    types = {
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "text": pa.string(),
        "json": pa.string(),
        "time": _TIME,
        "label": label,
        "answers": pa.list_(pa.struct([*who, ("value", label), *when])),
        "skips": pa.list_(pa.struct([*who, ("reason", pa.string()), *when])),
    }
    return pa.schema([(column.name, types[column.kind]) for column in COLUMNS])


def parquet(rows: Iterable[Page], question: Question) -> Iterator[bytes]:
    """A Parquet file; the whole of it is never in memory, a row group is."""
    return tables.parquet(rows, schema_for(question))
