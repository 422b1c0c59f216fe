"""A dataset for the library `datasets` and the Hugging Face Hub: a zip of Parquet shards by split, and a card."""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labeling.outgoing.formats.base import Layout, Page
from labeling.outgoing.formats.typed import Drain, record_batch

Feature = dict[str, Any] | None
"""What `datasets` knows of a column beside its type, as the library writes it; None without more to know."""
Column = tuple[str, pa.DataType, Feature]

SHARD_BYTES = 16 << 20
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


def write(pages: Iterable[Page], layout: Layout) -> Iterator[bytes]:
    """Write a shard as soon as a split has `SHARD_BYTES` of rows, and the card last. Of each split, no more than a
    shard is in memory.

    A stream that ends early has no list of names at its end, so no program takes it for a whole archive.
    """
    sink = Drain()
    with zipfile.ZipFile(sink, "w") as archive:
        # Git keeps shards outside its history. The file comes first: who waits sees that the download begins.
        _store(archive, ".gitattributes", b"*.parquet filter=lfs diff=lfs merge=lfs -text\n")
        yield sink.take()
        shards: Counter[str] = Counter()
        for split, table in _shards(pages, layout):
            _store(archive, f"data/{split}-{shards[split]:05}.parquet", _parquet(table))
            shards[split] += 1
            yield sink.take()
        _store(archive, "README.md", layout.card(list(shards)).encode())
    yield sink.take()


def _shards(pages: Iterable[Page], layout: Layout) -> Iterator[tuple[str, pa.Table]]:
    """Yield the shards with their splits; without rows, an empty one, which states the columns."""
    pending: dict[str, list[pa.RecordBatch]] = {}
    sizes: Counter[str] = Counter()
    for page in pages:
        for split, rows in layout.as_parts(page):
            batch = record_batch(rows, layout)
            pending.setdefault(split, []).append(batch)
            sizes[split] += batch.nbytes
            if sizes[split] >= SHARD_BYTES:
                yield split, pa.Table.from_batches(pending.pop(split))
                sizes[split] = 0
    for split, batches in pending.items():
        yield split, pa.Table.from_batches(batches)
    if not sizes:
        yield "train", layout.schema.empty_table()


def _store(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name), content)  # of 1980: equal exports are equal files


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


def front_matter(title: str, schema: pa.Schema, splits: Sequence[str]) -> str:
    """Return the YAML at the top of a card: where the splits lie, and the feature of each column."""
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    lines = ["---", "license: unknown", f"pretty_name: {_yaml(title)}", "configs:", "- config_name: default"]
    lines += ["  data_files:"]
    for split in splits:
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    lines += ["dataset_info:", "  features:"]
    for field in schema:
        lines.append(f"  - {_yaml({'name': field.name, **_declared(field.type, features.get(field.name))})}")
    return "\n".join([*lines, "---", ""])


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
