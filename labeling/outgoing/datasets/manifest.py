"""The manifest of a dataset version: all about its rows in one document, whose SHA-256 is the version's digest."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from labeling.models import DatasetFile, DatasetVersion, Project
from labeling.outgoing import layers
from labeling.outgoing.exports.choice import Choice
from labeling.outgoing.exports.columns import COLUMNS
from labeling.outgoing.exports.frozen_rows import paths_of_files
from labeling.outgoing.exports.lineage import History
from labeling.questions import Question

FORMAT = "marginalia-dataset/1"
NO_LABEL = "no label"


def facts_of(project: Project, choice: Choice, history: History) -> dict[str, Any]:
    """Return the parts of a manifest that the database has at this moment, but `fields`. Four queries."""
    numbers, weights = choice.get("batch"), history.weights
    return {
        "format": FORMAT,
        "project": project.slug,
        "kind": project.kind,
        "question": project.question,
        "columns": [[column.name, column.kind] for column in COLUMNS],
        "classes": [
            {"index": index, "name": name}
            for index, name in project.classes.order_by("index").values_list("index", "name")
        ],
        "merged_classes": project.merged,
        "batches": [
            {
                "number": facts.number,
                "strategy": batch.strategy,
                "items": batch.size,
                "control_items": batch.control_tasks,
                "control_probability": facts.control_probability,
                "picked_by": [{"selection": n, "model": version} for n, version in facts.selected_by.items()],
            }
            for batch, facts in zip(history.batches, history.facts, strict=True)
            if numbers is None or facts.number in numbers
        ],
        "models": [
            {"number": number, "sha256": digest}
            for number, digest in project.versions.order_by("number").values_list("number", "digest")
        ],
        "guidelines": [
            {"number": number, "saved_at": at}
            for number, at in project.guidelines_versions.order_by("number").values_list("number", "created_at")
        ],
        "control_weights": [
            {"rows_below": end, "weight": weight} for end, weight in zip(weights.ends, weights.values, strict=True)
        ],
    }


def manifest(dataset: DatasetVersion, facts: dict[str, Any], files: list[DatasetFile]) -> dict[str, Any]:
    """Return the manifest of a version with these rows in these files; `seal` adds the name."""
    return {
        **facts,
        "note": dataset.note,
        "filters": dataset.filters,
        "read_at": dataset.read_at,
        "created_by": dataset.created_by.username if dataset.created_by else None,
        **counted(dataset.project.asks, files),
        "removed": [],
    }


def counted(asks: Question, files: Sequence[DatasetFile]) -> dict[str, Any]:
    """Return the parts of a manifest that follow from the files and their rows."""
    index = layers.index_of(paths_of_files(files), layers.FACTS)
    return {
        "rows": len(index),
        "rows_sha256": hashlib.sha256(index.digests.tobytes()).hexdigest(),
        "by_label": by_label(asks, index.table["label"]),
        "by_origin": {str(name or NO_LABEL): n for name, n in _counts(index.table["origin"]).items()},
        "files": [
            {"name": str(file.file_name), "sha256": file.digest, "bytes": file.size, "rows": file.rows}
            for file in files
        ],
    }


def by_label(asks: Question, labels: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    """Return the number of rows of each label; a row with several classes counts for each."""
    counts: Counter[str] = Counter()
    for text, n in _counts(labels).items():
        for name in names_of(asks, text):
            counts[name] += n
    return dict(counts)


def names_of(asks: Question, label: str | None) -> list[str]:
    """Return the names under which a label, as JSON, counts.

    >>> from labeling.questions import named
    >>> names_of(named("multi"), '["cat", "dog"]'), names_of(named("verify"), "true"), names_of(named("verify"), None)
    (['cat', 'dog'], ['true'], ['no label'])
    """
    shown = None if label is None else orjson.loads(label)
    if label is None or shown is None:
        return [NO_LABEL]
    return [label] if asks.answers else asks.texts(shown) or ["no class"]


def _counts(column: pa.Array | pa.ChunkedArray) -> dict[Any, int]:
    return {each["values"].as_py(): each["counts"].as_py() for each in pc.value_counts(column)}


def as_text(document: dict[str, Any]) -> str:
    """Return the document as canonical JSON: keys in order, indented."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode()


def seal(dataset: DatasetVersion, document: dict[str, Any]) -> None:
    """Set the manifest of the version, and the fields that follow from it."""
    dataset.manifest = as_text({**document, "name": dataset.name})
    dataset.digest = hashlib.sha256(dataset.manifest.encode()).hexdigest()
    dataset.rows = document["rows"]
    dataset.layers = [file["sha256"] for file in document["files"]]
