"""Write exports as chunks of bytes: the typed columns, the pages of rows in a format, and samples of WebDataset, which
have the files of each row by suffix.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from labeling import kinds
from labeling.intake.row_labels import FACTS
from labeling.models import Project
from labeling.outgoing.exports.card import Counts, card_of
from labeling.outgoing.exports.choice import DELIMITERS, Choice
from labeling.outgoing.exports.columns import schema_for
from labeling.outgoing.exports.dataset import croissant_layout, dataset_layout, described_layout
from labeling.outgoing.exports.facts import Facts, facts_of
from labeling.outgoing.exports.files import files_layout, with_contents
from labeling.outgoing.exports.frozen_rows import dataset_pages, files_of, paths_of_files
from labeling.outgoing.exports.rows import PAGE, pages
from labeling.outgoing.exports.short import short_layout
from labeling.outgoing.exports.splits import with_splits
from labeling.outgoing.exports.tasks import doccano_layout, label_studio_layout
from labeling.outgoing.formats import EXPORTS, FORMATS, Format, Layout, Page, Row
from labeling.outgoing.formats.base import JSON_OPTIONS, Shard, splits_of
from labeling.questions import Question
from labeling.storage.db.replica import streamed

LOADING = """from glob import glob

from webdataset import WebDataset

samples = WebDataset(glob("{folder}/train-*.tar"), shardshuffle=True).decode()"""


def samples_layout(facts: Facts) -> Layout:
    """Return the samples, the list of classes and the card."""
    counts = Counts(facts.question)
    indices = {name: index for index, name in enumerate(facts.classes)}
    kept = ("label", *(["proposed"] if facts.question.proposes else []), *FACTS)

    def samples(page: Page) -> Iterator[tuple[str, Mapping[str, bytes]]]:
        for row, content in with_contents(page, facts.kind):
            counts.add(row)
            data = {name: value for name, value in orjson.loads(row["data"]).items() if name not in facts.kind.columns}
            about = orjson.dumps({**{name: row[name] for name in kept}, "data": data}, option=JSON_OPTIONS)
            label = _class(facts.question, row["label"], indices)
            yield row["split"], {**_content(row, content), **label, "json": about}

    def closing(shards: Sequence[Shard]) -> Iterator[tuple[str, bytes]]:
        yield card_of(facts, counts, splits_of(shards), "{split}-*.tar", LOADING)

    classes = ("classes.json", orjson.dumps(facts.classes))
    return Layout(pa.schema([]), as_samples=samples, opening=[classes], closing=closing)


def _content(row: Row, content: Any) -> dict[str, bytes]:
    if isinstance(content, bytes):
        return {PurePosixPath(row["media"]).suffix.removeprefix("."): content}
    if isinstance(content, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, content, allow_pickle=False)
        return {"npy": buffer.getvalue()}
    return {"txt": content.encode("utf-8", "replace")} if isinstance(content, str) else {}


def _class(question: Question, label: Any, indices: Mapping[str, int]) -> dict[str, bytes]:
    """Return a label that is one number: the index of its class, a score, or 1 for yes."""
    number = None if label is None else question.encoded(label, indices)
    return {"cls": str(int(number)).encode()} if isinstance(number, int) else {}


def layout_for(question: Question) -> Layout:
    """Return the columns of an export, and the functions that render its rows for tables and for JSON."""
    return Layout(schema_for(question), as_objects=_objects)


def _objects(page: Page) -> Iterator[dict[str, Any]]:
    return ({**row, "data": orjson.Fragment(row["data"])} for row in page)


def export(
    project: Project,
    format_name: str,
    choice: Choice | None = None,
    *,
    progress: Callable[[int], Any] = lambda rows: None,
) -> Iterator[bytes]:
    """Return the export as chunks of bytes. Each chunk is read from the database, or its replica, when the caller takes
    it.

    progress: called with the number of rows of each page. Raises KeyError for an unknown format, and `FileDamaged` for
    a dataset version whose files were changed or are missing.
    """
    form = formats_of(project)[format_name]
    if choice is not None and (dataset := choice.get("dataset")):
        paths_of_files(files_of(dataset))
    return streamed(_chunks(project, form, choice or Choice(), progress))


def _chunks(project: Project, form: Format, choice: Choice, progress: Callable[[int], Any]) -> Iterator[bytes]:
    facts = facts_of(project, choice)
    has_splits, dataset = form.name not in FORMATS, choice.get("dataset")
    if dataset:
        read = dataset_pages(dataset, size=PAGE, split=has_splits)
    else:
        read = pages(project, choice, facts=facts)
        read = with_splits(project, read) if has_splits else read
    yield from form.write(_reporting(read, progress), _layout(facts, form.name))


def formats_of(project: Project) -> dict[str, Format]:
    """Return the formats of the project's exports by name, in the order in which pages offer them."""
    kind = kinds.of(project)
    return {name: form for name, form in EXPORTS.items() if form.takes(kind)}


LAYOUTS: dict[str, Callable[[Facts], Layout]] = {
    "huggingface": dataset_layout,
    "webdataset": samples_layout,
    "croissant": croissant_layout,
    "label-studio": label_studio_layout,
    "doccano": doccano_layout,
    "imagefolder": described_layout,
    "zip": files_layout,
}
"""The layouts of the formats that hold the items themselves, by their names."""


def _layout(facts: Facts, format_name: str) -> Layout:
    if format_name in LAYOUTS:
        return LAYOUTS[format_name](facts)
    if format_name == "csv" and facts.choice.get("columns") == "short":
        layout = short_layout(facts)
    else:
        layout = layout_for(facts.question)
    delimiter = facts.choice.get("delimiter")
    return replace(layout, for_people=True, delimiter=DELIMITERS[delimiter]) if delimiter else layout


def _reporting(rows: Iterable[Page], progress: Callable[[int], Any]) -> Iterator[Page]:
    for page in rows:
        progress(len(page))
        yield page
