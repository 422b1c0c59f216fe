"""Readers of import files: any of the formats in, the same plain records out. No database, bounded memory.

with open_source(path, kind="text") as source:
    for record in source.records(skip=already_done):
        ...
"""

from __future__ import annotations

from pathlib import Path

from .base import DEFAULT_LIMITS, BadImage, Limits, Record, Source, UnreadableFile
from .csv_file import CsvSource
from .image_tree import ImageTreeSource
from .json_file import JsonLinesSource, open_json
from .npy_file import NpySource
from .parquet_file import ParquetSource
from .trees import FolderTree, Tree, ZipTree

__all__ = ["BadImage", "Limits", "Record", "Source", "UnreadableFile", "open_source"]

_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "json lines",
    ".ndjson": "json lines",
    ".json": "json",
    ".parquet": "parquet",
    ".npy": "npy",
    ".zip": "zip",
}
_MAGIC = {b"PAR1": "parquet", b"\x93NUMPY": "npy", b"PK\x03\x04": "zip", b"PK\x05\x06": "zip"}
_READ = "CSV, TSV, JSONL, JSON, Parquet, .npy, and folders or zip files of images are read"


def open_source(
    path: Path,
    *,
    kind: str,
    truth_path: Path | None = None,
    name: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Source:
    """The reader for `path`, a file or a folder, in a project of this kind: "image", "text" or "vector".

    `name` is what people know the file by, where that is not its name on disk (an upload); messages and default
    external ids are made with it. `truth_path` goes with `.npy` only: a .npy, .csv or .txt of as many rows.
    Close the source after use. Raises UnreadableFile.
    """
    name = name or path.name
    try:
        form = "folder" if path.is_dir() else _form(path, name)
        if truth_path is not None and form != "npy":
            raise UnreadableFile(f"{name}: a truth file goes with .npy only: elsewhere, truth is a column")
        return _open(path, form, kind=kind, name=name, truth_path=truth_path, limits=limits)
    except OSError as error:
        raise UnreadableFile(f"{name}: cannot be opened: {error.strerror or error}") from error


def _form(path: Path, name: str) -> str:
    """How the file is to be read: by the suffix of its name, or else by its first bytes."""
    if not path.exists():
        raise UnreadableFile(f"{name}: there is no such file or folder")
    if not path.is_file():
        raise UnreadableFile(f"{name}: is neither a file nor a folder")
    if path.stat().st_size == 0:
        raise UnreadableFile(f"{name}: the file is empty")
    with path.open("rb") as file:
        head = file.read(8)
    found = next((form for magic, form in _MAGIC.items() if head.startswith(magic)), None)
    suffix = Path(name).suffix.lower()
    if suffix in (".xlsx", ".xls", ".ods"):
        raise UnreadableFile(f"{name}: spreadsheets are not read: save it as CSV in UTF-8")
    form = _SUFFIXES.get(suffix) or found
    if form is None:
        raise UnreadableFile(f"{name}: this kind of file is not read: {_READ}")
    if found not in (None, form):
        raise UnreadableFile(f"{name}: the file is called {suffix} but holds {found}: rename or convert it")
    return form


def _open(path: Path, form: str, *, kind: str, name: str, truth_path: Path | None, limits: Limits) -> Source:
    needed = {"npy": "vector", "folder": "image", "zip": "image"}.get(form, kind)
    if needed != kind:
        raise UnreadableFile(f"{name}: a {form} is for projects of kind {needed}, this one is of kind {kind}")
    match form:
        case "npy":
            return NpySource(path, name=name, limits=limits, truth_path=truth_path)
        case "folder" | "zip":
            return _open_tree(path, form, name=name, limits=limits)
        case "csv":
            return CsvSource(path, kind=kind, name=name, limits=limits)
        case "json lines":
            return JsonLinesSource(path, kind=kind, name=name, limits=limits)
        case "json":
            return open_json(path, kind=kind, name=name, limits=limits)
    return ParquetSource(path, kind=kind, name=name, limits=limits)


def _open_tree(path: Path, form: str, *, name: str, limits: Limits) -> Source:
    tree: Tree = FolderTree(path, limits=limits) if form == "folder" else ZipTree(path, name=name, limits=limits)
    try:
        return ImageTreeSource(path, tree, name=name, limits=limits)
    except UnreadableFile:
        tree.close()
        raise
