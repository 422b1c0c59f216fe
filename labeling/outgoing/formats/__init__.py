"""The formats of exports and predictions.

To add a format, add a function here that writes it, and its entry to `FORMATS`, `DATASETS`, `ARCHIVES` or
`TOOLS`, which API, pages and commands read. All but `FORMATS` also need a layout in
`labeling.outgoing.exports.writing`. Formats know neither the database nor the meaning of rows.
"""

from labeling.outgoing.formats import csv, huggingface, jsonl, shards, typed, webdataset
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


def _named(*formats: Format) -> dict[str, Format]:
    return {each.name: each for each in formats}


FORMATS = _named(
    Format(
        "csv", "CSV", "for spreadsheets and people",
        content_type="text/csv; charset=utf-8", write=csv.write_csv, is_text=True,
    ),
    Format(
        "parquet", "Parquet", "typed and compact: the best choice for programs",
        content_type="application/vnd.apache.parquet", write=typed.write_parquet,
    ),
    Format(
        "arrow", "Arrow", "typed, as an IPC stream that is read row by row while it arrives",
        content_type="application/vnd.apache.arrow.stream", write=typed.write_arrow,
    ),
    Format(
        "jsonl", "JSONL", "one JSON object a line",
        content_type="application/x-ndjson", write=jsonl.write_jsonl, is_text=True,
    ),
)  # fmt: skip
"""By name, in the order in which pages offer them."""

DATASETS = _named(
    Format(
        "huggingface", "Hugging Face dataset",
        "load_dataset loads the unpacked folder, with splits, classes and the files themselves",
        ending="huggingface.zip", write=huggingface.write_huggingface,
    ),
    Format(
        "webdataset", "WebDataset",
        "tar shards by split, with the files themselves, for training code that streams its samples",
        ending="webdataset.zip", write=webdataset.write_webdataset,
    ),
    Format(
        "croissant", "Croissant",
        "the shards of the Hugging Face dataset with metadata for mlcroissant and dataset search",
        ending="croissant.zip", write=huggingface.write_huggingface,
    ),
)  # fmt: skip
"""The formats of exports that hold the items themselves, for training."""

ARCHIVES = _named(
    Format(
        "imagefolder", "files with tables",
        "the files in folders, as in files by class, with tables that have their ids, labels and fields",
        ending="imagefolder.zip", write=shards.write_files, takes=lambda kind: kind.is_file, holds="files",
    ),
    Format(
        "zip", "files by class", "the labeled files themselves, in folders: train/cat/001.jpg",
        write=shards.write_files, takes=lambda kind: kind.is_file, holds="files",
    ),
)  # fmt: skip
"""The formats of exports that hold the items' files, for projects whose items are files."""

TOOLS = _named(
    Format(
        "label-studio", "Label Studio tasks",
        "tasks with every answer and the labeling configuration, to continue in Label Studio",
        ending="label-studio.zip", write=jsonl.write_lists,
        takes=lambda kind: not kind.takes_number_columns, holds="files or texts",
    ),
    Format(
        "doccano", "doccano texts", "texts with their labels, to continue in doccano",
        ending="doccano.jsonl", content_type="application/x-ndjson", write=jsonl.write_jsonl, is_text=True,
        takes=lambda kind: kind.can_be_typed, holds="texts",
    ),
)  # fmt: skip
"""The formats of exports that other annotation tools read."""

GROUPS = {"Tables": FORMATS, "For training": {**DATASETS, **ARCHIVES}, "For other annotation tools": TOOLS}
"""The formats of exports by the heading on the page."""

EXPORTS = {name: each for group in GROUPS.values() for name, each in group.items()}

DEFAULT = "jsonl"
"""Of the API and of commands."""
