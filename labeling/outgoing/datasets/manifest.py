"""The manifest of a dataset version: all about its rows in one document, whose SHA-256 is the version's digest;
and its card, a text about the version in Markdown.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from django.utils.translation import gettext

from labeling import kinds
from labeling.models import DatasetFile, DatasetVersion, Project
from labeling.outgoing import documents, layers
from labeling.outgoing.exports.card import plain
from labeling.outgoing.exports.choice import Choice
from labeling.outgoing.exports.columns import COLUMNS
from labeling.outgoing.exports.frozen_rows import (
    dataset_pages,
    digest_of_line,
    files_of,
    manifest_of,
    paths_of_files,
    text_of,
)
from labeling.outgoing.exports.lineage import History
from labeling.questions import Question
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileDamaged, sha256_of_file
from labeling.storage.shared_files import store

FORMAT = "marginalia-dataset/1"
NO_LABEL = "no label"
PAGE = 5000


def facts_of(project: Project, choice: Choice, history: History) -> dict[str, Any]:
    """Return the parts of a manifest that the database has at this moment, but `fields`. Four queries."""
    numbers, weights = choice.get("batch"), history.weights
    return {
        "format": FORMAT,
        "project": project.slug,
        "kind": project.kind,
        "question": project.question,
        "columns": [(name, column.kind) for name, column in COLUMNS.items()],
        "classes": [
            {"index": index, "name": name}
            for index, name in project.classes.order_by("index").values_list("index", "name")
        ],
        "merged_classes": project.merged,
        "batches": [
            {
                "number": facts.batch.number,
                "strategy": facts.batch.strategy,
                "items": facts.batch.size,
                "control_items": facts.batch.control_tasks,
                "control_probability": facts.control_probability,
                "picked_by": [{"selection": n, "model": version} for n, version in facts.selected_by.items()],
            }
            for facts in history.batches
            if numbers is None or facts.batch.number in numbers
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
        "rows_sha256": documents.digest_of(index.digests.tobytes()),
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
    return [label] if asks.answers else asks.label_names(shown) or ["no class"]


def _counts(column: pa.Array | pa.ChunkedArray) -> dict[Any, int]:
    return {each["values"].as_py(): each["counts"].as_py() for each in pc.value_counts(column)}


def seal(dataset: DatasetVersion, document: dict[str, Any]) -> None:
    """Set the manifest of the version, and the fields that follow from it."""
    content, dataset.digest = documents.document_of(
        {**document, "name": dataset.name}, orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z
    )
    dataset.manifest = content.decode()
    dataset.rows = document["rows"]
    dataset.layers = [file["sha256"] for file in document["files"]]


def verify(dataset: DatasetVersion, *, each_row: bool = False) -> list[str]:
    """Return what is wrong with a whole version, one sentence each; nothing if it is what was written.

    The manifest is compared with the digest, and each file with its SHA-256 in the manifest. Takes as long as reading
    the files, in no memory to speak of. `each_row`: also the digests of the rows with that of all rows, and each row
    with its digest.
    """
    if documents.digest_of(dataset.manifest.encode()) != dataset.digest:
        return [gettext("Checksum mismatch: the manifest was changed.")]
    manifest = manifest_of(dataset)
    files = files_of(dataset)
    problems = []
    for file, listed in zip(files, manifest["files"], strict=True):
        path = ProjectFiles(dataset.project).owned(file)
        try:
            found = sha256_of_file(store().local(path))
        except FileNotFoundError:
            problems.append(gettext("The file %(name)s is missing.") % {"name": listed["name"]})
            continue
        if found != listed["sha256"]:
            sentence = gettext("Checksum mismatch: the file %(name)s was changed. Its SHA-256 is %(digest)s now.")
            problems.append(sentence % {"name": listed["name"], "digest": found})
    if problems or not each_row:
        return problems
    try:
        index = layers.index_of(paths_of_files(files))
        if documents.digest_of(index.digests.tobytes()) != manifest["rows_sha256"]:
            return ["The digests of the rows are not those of the manifest."]
        return _wrong_rows(dataset, index)
    except FileDamaged as damage:
        return [str(damage)]


def _wrong_rows(dataset: DatasetVersion, index: layers.Index) -> list[str]:
    digests = dict(zip(index.items.tolist(), index.digests, strict=True))
    wrong = [
        row["item"]
        for page in dataset_pages(dataset, size=PAGE)
        for row in page
        if digest_of_line(text_of(row), row["data"]) != digests.pop(row["item"]).tobytes()
    ]
    problems = [f"Checksum mismatch: the row of item {item} was changed." for item in wrong[:10]]
    return problems + ([f"{len(digests):,} rows are missing."] if digests else [])


def card_of(dataset: DatasetVersion) -> str:
    """Return the card of a whole version."""
    manifest = manifest_of(dataset)
    project = dataset.project
    picked = sum(batch["items"] - batch["control_items"] for batch in manifest["batches"])
    control = sum(batch["control_items"] for batch in manifest["batches"])
    return f"""# {plain(project.name)}, {dataset.name}

{dataset.rows:,} {kinds.of(project).plural} with labels, as they were on {dataset.created_at:%Y-%m-%d %H:%M} UTC.
{plain(dataset.note)}

SHA-256 of the manifest: `{dataset.digest}`. SHA-256 of all rows: `{manifest["rows_sha256"]}`.

## Labels

| label | rows |
| --- | ---: |
{_table(manifest["by_label"])}

| origin | rows |
| --- | ---: |
{_table(manifest["by_origin"])}

## How the items were picked

{len(manifest["batches"])} batches: {picked:,} items that the strategy picked, and {control:,} control items, a
random sample of the pool. Use `control_weight` to estimate a share of the pool from these.

Filters: {_filters(manifest["filters"])}.

## Models

{_models(dataset)}
{_removed(manifest["removed"])}"""


def _table(counts: dict[str, int]) -> str:
    return "\n".join(f"| {plain(name)} | {n} |" for name, n in sorted(counts.items()))


def _filters(filters: dict[str, str]) -> str:
    return ", ".join(f"`{name}` {plain(text)}" for name, text in sorted(filters.items())) or "none, all labeled items"


def _models(dataset: DatasetVersion) -> str:
    numbers = sorted(dataset.versions.values_list("number", flat=True))
    if not numbers:
        return "No model version learned from it.\n"
    return f"Model version {', '.join(map(str, numbers))} learned from it, without its control items.\n"


def _removed(removed: list[dict[str, Any]]) -> str:
    if not removed:
        return ""
    lines = "\n".join(f"- {each['removed_at'][:10]}: {len(each['items'])}, {plain(each['reason'])}" for each in removed)
    return f"\n## Removed for good\n\n{lines}\n"
