"""The formats of exports and predictions.

To add a format, add a module here with a function `write`, and its entry to `FORMATS`, `DATASETS`, `ARCHIVES` or
`TOOLS`, which API, pages and commands read. All but `FORMATS` also need a layout in
`labeling.outgoing.exports.writing`. Formats know neither the database nor the meaning of rows.
"""

from labeling.outgoing.formats import arrow, csv, huggingface, jsonl, label_studio, parquet, webdataset, zip
from labeling.outgoing.formats.base import Format, Layout, Page, Row

__all__ = [
    "ARCHIVES",
    "DATASETS",
    "DEFAULT",
    "EXPORTS",
    "FORMATS",
    "GROUPS",
    "TOOLS",
    "Format",
    "Layout",
    "Page",
    "Row",
]

FORMATS = {
    each.name: each
    for each in (
        Format(
            name="csv",
            title="CSV",
            note="for spreadsheets and people",
            content_type="text/csv; charset=utf-8",
            is_text=True,
            write=csv.write,
        ),
        Format(
            name="parquet",
            title="Parquet",
            note="typed and compact: the best choice for programs",
            content_type="application/vnd.apache.parquet",
            write=parquet.write,
        ),
        Format(
            name="arrow",
            title="Arrow",
            note="typed, and read row by row while it arrives: an IPC stream",
            content_type="application/vnd.apache.arrow.stream",
            write=arrow.write,
        ),
        Format(
            name="jsonl",
            title="JSONL",
            note="one JSON object a line",
            content_type="application/x-ndjson",
            is_text=True,
            write=jsonl.write,
        ),
    )
}
"""By name, in the order in which pages offer them."""

DATASETS = {
    each.name: each
    for each in (
        Format(
            name="huggingface",
            ending="huggingface.zip",
            title="Hugging Face dataset",
            note="load_dataset loads the unpacked folder, with splits, classes and the files themselves",
            content_type="application/zip",
            write=huggingface.write,
        ),
        Format(
            name="webdataset",
            ending="webdataset.zip",
            title="WebDataset",
            note="for a training that streams its samples: tar shards by split, with the files themselves",
            content_type="application/zip",
            write=webdataset.write,
        ),
        Format(
            name="croissant",
            ending="croissant.zip",
            title="Croissant",
            note="the shards of the Hugging Face dataset with metadata for mlcroissant and dataset search",
            content_type="application/zip",
            write=huggingface.write,
        ),
    )
}
"""The formats of exports that hold the items themselves, for training."""

ARCHIVES = {
    each.name: each
    for each in (
        Format(
            name="imagefolder",
            ending="imagefolder.zip",
            title="files with tables",
            note="the files in folders, as in files by class, with tables that have their ids, labels and fields",
            content_type="application/zip",
            takes=lambda kind: kind.is_file,
            holds="files",
            write=zip.write,
        ),
        Format(
            name="zip",
            title="files by class",
            note="the labeled files themselves, in folders: train/cat/001.jpg",
            content_type="application/zip",
            takes=lambda kind: kind.is_file,
            holds="files",
            write=zip.write,
        ),
    )
}
"""The formats of exports that hold the items' files, for projects whose items are files."""

TOOLS = {
    each.name: each
    for each in (
        Format(
            name="label-studio",
            ending="label-studio.zip",
            title="Label Studio tasks",
            note="tasks with every answer and the labeling configuration, to go on in Label Studio",
            content_type="application/zip",
            takes=lambda kind: not kind.takes_number_columns,
            holds="files or texts",
            write=label_studio.write,
        ),
        Format(
            name="doccano",
            ending="doccano.jsonl",
            title="doccano texts",
            note="texts with their labels, to go on in doccano",
            content_type="application/x-ndjson",
            is_text=True,
            takes=lambda kind: kind.can_be_typed,
            holds="texts",
            write=jsonl.write,
        ),
    )
}
"""The formats of exports that other annotation tools read."""

GROUPS = {"Tables": FORMATS, "For training": {**DATASETS, **ARCHIVES}, "For other annotation tools": TOOLS}
"""The formats of exports by the heading on the page."""

EXPORTS = {name: each for group in GROUPS.values() for name, each in group.items()}

DEFAULT = "jsonl"
"""Of the API and of commands."""
