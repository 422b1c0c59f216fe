"""A dataset for the library `datasets` and the Hugging Face Hub: a zip of Parquet shards by split, and a card."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labeling.outgoing.formats.base import Layout, Page
from labeling.outgoing.formats.shards import write_shards
from labeling.outgoing.formats.typed import Drain, record_batch

Feature = dict[str, Any] | None
"""What `datasets` knows of a column beside its type, as the library writes it; None without more to know."""
Column = tuple[str, pa.DataType, Feature]

_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")

# Git keeps shards outside its history.
GIT = (".gitattributes", b"*.parquet filter=lfs diff=lfs merge=lfs -text\n")


def write_huggingface(pages: Iterable[Page], layout: Layout) -> Iterator[bytes]:
    """Write Parquet shards; without rows, an empty one, which states the columns."""
    return write_shards(
        _batches(pages, layout),
        layout,
        name="data/{split}-{number:05}.parquet",
        join=lambda batches: _parquet(pa.Table.from_batches(batches, layout.schema)),
    )


def _batches(pages: Iterable[Page], layout: Layout) -> Iterator[tuple[str, pa.RecordBatch, int]]:
    for page in pages:
        for split, rows in layout.as_parts(page):
            batch = record_batch(rows, layout)
            yield split, batch, batch.nbytes


def _parquet(table: pa.Table) -> bytes:
    sink = Drain()
    with pq.ParquetWriter(sink, table.schema, compression="zstd") as writer:
        if table.num_rows:  # `datasets` refuses a row group without rows
            writer.write_table(table, row_group_size=table.num_rows)
    return sink.take()


def with_features(columns: Iterable[Column]) -> pa.Schema:
    """Return the schema of the columns, which states their features for `datasets`."""
    columns = list(columns)
    features = {name: feature for name, _, feature in columns if feature}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([(name, kind) for name, kind, _ in columns], metadata)


def class_label(names: Sequence[str]) -> Feature:
    """Return the feature of integers that stand for classes, by their places in `names`."""
    return {"names": list(names), "_type": "ClassLabel"}


def front_matter(title: str, splits: Sequence[str], files: str, schema: pa.Schema | None = None) -> str:
    """Return the YAML at the top of a card: the pattern `files` of each split, and the feature of each column."""
    lines = ["---", "license: unknown", f"pretty_name: {_yaml(title)}", "configs:", "- config_name: default"]
    lines += ["  data_files:"]
    for split in splits:
        lines += [f"  - split: {split}", f"    path: {files.format(split=split)}"]
    return "\n".join([*lines, *(_features(schema) if schema else ()), "---", ""])


def _features(schema: pa.Schema) -> Iterator[str]:
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    yield "dataset_info:"
    yield "  features:"
    for field in schema:
        yield f"  - {_yaml({'name': field.name, **_declared(field.type, features.get(field.name))})}"


def _declared(kind: pa.DataType, feature: Feature) -> dict[str, Any]:
    """Return a feature as cards declare it."""
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = _declared(kind.value_type, feature and feature["feature"])
        length = {"length": kind.list_size} if pa.types.is_fixed_size_list(kind) else {}
        return {"sequence": inner["dtype"], **length}
    if feature is None:
        return {"dtype": {"double": "float64", "float": "float32"}.get(str(kind), str(kind))}
    if feature["_type"] == "ClassLabel":
        return {"dtype": {"class_label": {"names": {str(at): name for at, name in enumerate(feature["names"])}}}}
    return {"dtype": feature["_type"].lower()}


def _yaml(value: Any) -> str:
    """Return the value as JSON that is also YAML: with all unprintable characters escaped, and no surrogates."""
    return _UNPRINTABLE.sub(_escaped, json.dumps(value, ensure_ascii=False))


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"
