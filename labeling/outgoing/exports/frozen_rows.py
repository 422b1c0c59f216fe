"""The rows of a dataset version, as exports have them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from labeling.arrays.files import ProjectFiles
from labeling.models import DatasetFile, DatasetVersion
from labeling.outgoing import layers
from labeling.outgoing.exports.weights import Weights
from labeling.outgoing.formats import Page, Row
from labeling.shared_files import store

TIMES = ("labeled_at", "corrected_at")
ANSWERS = ("annotations", "skips")


def files_of(dataset: DatasetVersion) -> list[DatasetFile]:
    """Return the files of the version, the first that was written first."""
    files = {file.digest: file for file in dataset.project.dataset_files.filter(digest__in=dataset.layers)}
    return [files[digest] for digest in dataset.layers]


def paths_of_files(files: Sequence[DatasetFile]) -> list[Path]:
    """Bring these files to this host, and return their paths."""
    paths = [ProjectFiles(file.project).owned(file) for file in files]
    store().bring(paths)
    return paths


def manifest_of(dataset: DatasetVersion) -> dict[str, Any]:
    """Return the manifest of a whole version."""
    return dict(orjson.loads(dataset.manifest))


def dataset_pages(dataset: DatasetVersion, *, size: int) -> Iterator[Page]:
    """Yield the rows of a version, at most `size` at a time. Raises `FileMissing` or `FileDamaged`."""
    levels = manifest_of(dataset)["control_weights"]
    weights = Weights([level["rows_below"] for level in levels], [level["weight"] for level in levels])
    for table in layers.read_rows(paths_of_files(files_of(dataset)), size=size):
        _, pool_rows, data, texts = (column.to_pylist() for column in table.columns)
        yield [_row(*each, weights) for each in zip(texts, data, pool_rows, strict=True)]


def _row(text: str, data: str, pool_row: int | None, weights: Weights) -> Row:
    row: Row = orjson.loads(text)
    row["data"] = data
    row["control_weight"] = weights.of(pool_row)
    for name in TIMES:
        row[name] = _time(row[name])
    for name in ANSWERS:
        for answer in row[name]:
            answer["created_at"] = _time(answer["created_at"])
    return row


def _time(text: str | None) -> datetime.datetime | None:
    return None if text is None else datetime.datetime.fromisoformat(text)
