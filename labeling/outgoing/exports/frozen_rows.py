"""The rows of a dataset version, as exports have them."""

import datetime
import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from labeling.models import DatasetFile, DatasetVersion
from labeling.outgoing import layers
from labeling.outgoing.documents import unchanged
from labeling.outgoing.exports.weights import Weights
from labeling.outgoing.formats import Page, Row
from labeling.outgoing.formats.base import JSON_OPTIONS
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileMissing
from labeling.storage.shared_files import read_whole, store

TIMES = ("labeled_at", "corrected_at")
ANSWERS = ("annotations", "skips")
# These columns change in rows whose labels stay: the manifest has the weights and probabilities, a model version names
# its dataset version.
NOT_FROZEN: Row = {"learned_by": None, "control_weight": None, "control_probability": None}
NOT_IN_TEXT: Row = {**NOT_FROZEN, "data": None}


def files_of(dataset: DatasetVersion) -> list[DatasetFile]:
    """Return the files of the version, the first that was written first. Raises `FileMissing` if one has no row."""
    files = {file.digest: file for file in dataset.project.dataset_files.filter(digest__in=dataset.layers)}
    for digest in dataset.layers:
        if digest not in files:
            raise FileMissing(ProjectFiles(dataset.project).owned(DatasetFile(digest=digest)))
    return [files[digest] for digest in dataset.layers]


def paths_of_files(files: Sequence[DatasetFile]) -> list[Path]:
    """Bring these files to this host; return their paths. Raises `FileMissing`, or `FileDamaged` for a changed one."""
    paths = [ProjectFiles(file.project).owned(file) for file in files]
    store().bring(paths)
    return [read_whole(path, partial(unchanged, digest=file.digest)) for file, path in zip(files, paths, strict=True)]


def manifest_of(dataset: DatasetVersion) -> dict[str, Any]:
    """Return the manifest of a whole version."""
    return dict(orjson.loads(dataset.manifest))


def dataset_pages(dataset: DatasetVersion, *, size: int, split: bool = False) -> Iterator[Page]:
    """Yield a version's rows, at most `size` at a time; if wanted, with their `split`. Raises as `paths_of_files`."""
    manifest = manifest_of(dataset)
    levels = manifest["control_weights"]
    weights = Weights([level["rows_below"] for level in levels], [level["weight"] for level in levels])
    chances = {batch["number"]: batch["control_probability"] for batch in manifest["batches"]}
    for table in layers.read_rows(paths_of_files(files_of(dataset)), size=size):
        _, pool_rows, splits, data, texts = (column.to_pylist() for column in table.columns)
        page = [_frozen_row(text, fields) for text, fields in zip(texts, data, strict=True)]
        for row, pool_row, its_split in zip(page, pool_rows, splits, strict=True):
            row["control_weight"] = weights.of(pool_row)
            row["control_probability"] = chances.get(row["batch"]) if row["is_control"] else None
            if split:
                row["split"] = its_split
        yield page


def _frozen_row(text: str, data: str) -> Row:
    row: Row = orjson.loads(text)
    row["data"] = data
    for name in TIMES:
        row[name] = _time(row[name])
    for name in ANSWERS:
        for answer in row[name]:
            answer["created_at"] = _time(answer["created_at"])
    return row


def _time(text: str | None) -> datetime.datetime | None:
    return None if text is None else datetime.datetime.fromisoformat(text)


def text_of(row: Row) -> bytes:
    """Return the row as JSON, without `NOT_FROZEN` and with null for its data."""
    return orjson.dumps(row | NOT_IN_TEXT, option=JSON_OPTIONS)


def digest_of_line(text: bytes, data: str) -> bytes:
    """Return the SHA-256 of a row as a line of JSONL, without its end, by its `text_of` and its data."""
    # Values have their quotation marks escaped, so the first match is the column.
    return hashlib.sha256(text.replace(b'"data":null', b'"data":' + data.encode(), 1)).digest()
