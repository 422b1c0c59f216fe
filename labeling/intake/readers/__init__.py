"""Readers of import files: any of the formats in, the same plain records out. No database, bounded memory.

with open_source(path, kind="text") as source:
    for record in source.records(skip=already_done):
        ...
"""

from __future__ import annotations

from pathlib import Path

from labeling import kinds
from labeling.kinds import Kind

from .base import DEFAULT_LIMITS, PLAIN, Limits, Record, Source, UnreadableFile
from .file_tree import FileTreeSource
from .gzipped import SUFFIX, form_suffix
from .layout import Layout
from .npy_file import NpySource
from .shards import ShardsSource, shards_in
from .tables import READERS, SUFFIXES, TEXTS
from .trees import FolderTree, Tree, ZipTree

__all__ = [
    "PLAIN",
    "Layout",
    "Limits",
    "Record",
    "Source",
    "UnreadableFile",
    "check_form",
    "has_rows",
    "is_text",
    "open_source",
]

_MAGIC = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"FEA1": "arrow",
    b"\x93NUMPY": "npy",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
_PACKED = {"xlsx": "zip"}  # a workbook is a zip file
_READ = (
    "CSV, TSV, JSONL and JSON, packed by gzip or not, Parquet, Arrow, .xlsx, .npy, .tar, and folders or zip files of"
    " {} or of shards are read"
)


def open_source(
    path: Path,
    *,
    kind: str,
    truth_path: Path | None = None,
    name: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    layout: Layout = PLAIN,
) -> Source:
    """Open the reader for `path`, a file or folder, in a project of the kind with this name.

    `name` is the file's name in messages and in the ids of items without an id, by default its name on disk; uploads
    have another name. `truth_path` names a .npy, .csv or .txt file with a truth for each row, for `.npy` only. The
    source's `rows` are in the product's own columns, according to the layout. The caller closes the source. Raises
    UnreadableFile.
    """
    name, its_kind = name or path.name, kinds.get(kind)
    try:
        form = "folder" if path.is_dir() else _form(path, name)
        if truth_path is not None and form != "npy":
            raise UnreadableFile(f"{name}: a truth file goes with .npy only: elsewhere, truth is a column")
        if problem := its_kind.missing():
            raise UnreadableFile(f"{name}: {problem}")
        if layout.encoding and form not in TEXTS:
            raise UnreadableFile(f"{name}: only text files have an encoding: leave it out")
        return _open(path, form, kind=its_kind, name=name, truth_path=truth_path, limits=limits, layout=layout)
    except OSError as error:
        raise UnreadableFile(f"{name}: cannot be opened: {error.strerror or error}") from error


def has_rows(name: str) -> bool:
    """Return whether a file with this name is one with rows, by its suffix."""
    return form_suffix(name) in SUFFIXES


def is_text(name: str) -> bool:
    """Return whether a file with this name is one of texts, which has an encoding, by its suffix."""
    return SUFFIXES.get(form_suffix(name)) in TEXTS


def check_form(path: Path, *, kind: str, name: str) -> None:
    """Raise `UnreadableFile` for a file that no project of the kind takes, by its name and first bytes alone. A zip
    file is opened if it must be one of shards, and its first shard is unpacked.
    """
    form, its_kind = _form(path, name), kinds.get(kind)
    if form == "zip" and form not in its_kind.forms:
        _open_tree(path, form, kind=its_kind, name=name, limits=DEFAULT_LIMITS, layout=Layout(unsettled=True)).close()
    else:
        _check_kind(form, its_kind, name)


def _form(path: Path, name: str) -> str:
    """Return the form of the file, by the suffix of its name or else by its first bytes. Raises UnreadableFile."""
    if not path.exists():
        raise UnreadableFile(f"{name}: this file or folder does not exist")
    if not path.is_file():
        raise UnreadableFile(f"{name}: is neither a file nor a folder")
    if path.stat().st_size == 0:
        raise UnreadableFile(f"{name}: the file is empty")
    with path.open("rb") as file:
        head = file.read(8)
    form_of_head = next((form for magic, form in _MAGIC.items() if head.startswith(magic)), None)
    suffix = form_suffix(name)
    if suffix in (".xls", ".ods"):
        raise UnreadableFile(f"{name}: this kind of spreadsheet cannot be read: save it as CSV or .xlsx")
    form = SUFFIXES.get(suffix) or form_of_head
    if form is None:
        raise UnreadableFile(f"{name}: this kind of file is not read: {_READ.format(_files())}")
    if form not in TEXTS and name.lower().endswith(SUFFIX):
        raise UnreadableFile(f"{name}: of packed files, only CSV, TSV, JSONL and JSON are read: unpack it")
    if form_of_head not in (None, _PACKED.get(form, form)):
        raise UnreadableFile(f"{name}: the file is called {suffix} but holds {form_of_head}: rename or convert it")
    return form


def _check_kind(form: str, kind: Kind, name: str) -> None:
    needed = [each.name for each in kinds.KINDS.values() if form in each.forms]
    if needed and kind.name not in needed:
        needed_kinds = " or ".join(needed)
        raise UnreadableFile(
            f"{name}: a {form} is for projects of kind {needed_kinds}, this one is of kind {kind.name}"
        )


def _open(
    path: Path, form: str, *, kind: Kind, name: str, truth_path: Path | None, limits: Limits, layout: Layout
) -> Source:
    if form in ("folder", "zip"):  # perhaps of shards, which any kind takes
        return _open_tree(path, form, kind=kind, name=name, limits=limits, layout=layout)
    _check_kind(form, kind, name)
    if form == "npy":
        return NpySource(path, kind=kind, name=name, limits=limits, layout=layout, truth_path=truth_path)
    return READERS[form](path, kind=kind, name=name, limits=limits, layout=layout)


def _files() -> str:
    """Return the plural names of the kinds whose items are files, for an error message."""
    return " or ".join(kind.plural for kind in kinds.KINDS.values() if kind.is_file)


def _open_tree(path: Path, form: str, *, kind: Kind, name: str, limits: Limits, layout: Layout) -> Source:
    tree: Tree
    if form == "folder":
        tree = FolderTree(path, kind=kind, limits=limits)
    else:
        tree = ZipTree(path, kind=kind, name=name, limits=limits)
    try:
        if names := shards_in(tree, kind):
            return ShardsSource(path, tree, names, kind=kind, name=name, limits=limits, layout=layout)
        if form not in kind.forms:
            raise UnreadableFile(
                f"{name}: a {form} for a project of kind {kind.name} must hold one table alone, or shards of an export"
            )
        return FileTreeSource(path, tree, kind=kind, name=name, limits=limits, layout=layout)
    except UnreadableFile:
        tree.close()
        raise
