"""Predicted rows as bytes, a chunk at a time. No torch: pages use it too.

A row holds

    where           its place in the file: "line 17", "cats/a.png"
    external_id     as an import would name it
    proposed        for `verify`: the class that was asked about
    label           a class, for `multi` the list of those that apply, for `verify` true or false
    confidence      the probability of the label, for `multi` of each of its classes
    margin          0 is full doubt, 1 none (`models_store.questions.Decision`)
    probabilities   if asked for: by class; for `verify` of yes and no
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import orjson
import pyarrow as pa

from labeling.outgoing import tables
from labeling.outgoing.tables import Format, Page, Row
from labeling.questions import Question


class RowShape(NamedTuple):
    """What all rows have in common: the project's question, and the names in `probabilities`, none if not asked for."""

    question: Question
    probabilities: Sequence[str] = ()

    @property
    def columns(self) -> list[str]:
        proposed = ["proposed"] if self.question.proposes else []
        return ["where", "external_id", *proposed, "label", "confidence", "margin"]


def jsonl(pages: Iterable[Page], shape: RowShape) -> Iterator[bytes]:
    """One JSON object a line."""
    for page in pages:
        yield b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in page)


def csv_text(pages: Iterable[Page], shape: RowShape) -> Iterator[bytes]:
    """A header line and one record a row; lists as JSON, a column `p_CLASS` for each class that is asked for."""
    columns = [*shape.columns, *map(_column, shape.probabilities)]
    yield tables.csv_lines([columns])
    for page in pages:
        yield tables.csv_lines([row[column] for column in columns] for row in map(_flat, page))


def parquet(pages: Iterable[Page], shape: RowShape) -> Iterator[bytes]:
    """A Parquet file, its columns as in CSV but typed."""
    confidence = pa.list_(pa.float32()) if shape.question.several else pa.float32()
    types = {"label": tables.LABELS[shape.question.exported_as], "confidence": confidence, "margin": pa.float32()}
    fields = [(column, types.get(column, pa.string())) for column in shape.columns]
    fields += [(_column(name), pa.float32()) for name in shape.probabilities]
    return tables.parquet(([_flat(row) for row in page] for page in pages), pa.schema(fields))


def _column(name: str) -> str:
    return f"p_{name}"


def _flat(row: Row) -> Row:
    """The row with a column for each of its probabilities."""
    return {**row, **{_column(name): p for name, p in row.get("probabilities", {}).items()}}


FORMATS = {
    "jsonl": Format("application/x-ndjson", ".jsonl", jsonl),
    "csv": Format("text/csv; charset=utf-8", ".csv", csv_text),
    "parquet": Format("application/vnd.apache.parquet", ".parquet", parquet),
}
