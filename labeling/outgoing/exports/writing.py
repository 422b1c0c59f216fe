"""Write exports as chunks of bytes: the typed columns, and the pages of rows in a format."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import orjson

from labeling import kinds
from labeling.models import Project
from labeling.outgoing.exports.choice import DELIMITERS, Choice
from labeling.outgoing.exports.columns import schema_for
from labeling.outgoing.exports.dataset import croissant_layout, dataset_layout, described_layout
from labeling.outgoing.exports.facts import Facts, facts_of
from labeling.outgoing.exports.files import files_layout
from labeling.outgoing.exports.frozen_rows import dataset_pages, files_of, paths_of_files
from labeling.outgoing.exports.rows import PAGE, pages
from labeling.outgoing.exports.samples import samples_layout
from labeling.outgoing.exports.short import short_layout
from labeling.outgoing.exports.splits import with_splits
from labeling.outgoing.exports.tasks import doccano_layout, label_studio_layout
from labeling.outgoing.formats import EXPORTS, FORMATS, Format, Layout, Page
from labeling.questions import Question
from labeling.storage.db.replica import streamed


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
