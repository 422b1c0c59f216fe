"""The readers of single files, by form. A file has the form of its suffix."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from labeling.kinds import Kind

from .arrow_file import ArrowSource
from .base import Limits, Source
from .csv_file import CsvSource
from .json_file import JsonLinesSource, open_json
from .layout import Layout
from .parquet_file import ParquetSource
from .tar_file import TarSource
from .xlsx_file import XlsxSource


class Reader(Protocol):
    """Opens a file. Raises UnreadableFile."""

    def __call__(self, path: Path, *, kind: Kind, name: str, limits: Limits, layout: Layout) -> Source: ...


SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "json lines",
    ".ndjson": "json lines",
    ".json": "json",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".npy": "npy",
    ".xlsx": "xlsx",
    ".zip": "zip",
    ".tar": "tar",
}
READERS: dict[str, Reader] = {
    "csv": CsvSource,
    "json lines": JsonLinesSource,
    "json": open_json,
    "parquet": ParquetSource,
    "arrow": ArrowSource,
    "xlsx": XlsxSource,
    "tar": TarSource,
}
"""Not among them: a .npy file may come with a file of truths, and a zip file is a folder."""
TEXTS = frozenset({"csv", "json lines", "json"})
"""The forms of text files, which have an encoding and may be packed by gzip."""
