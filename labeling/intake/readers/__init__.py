"""Readers of import files: any of the formats in, the same plain records out. No database, bounded memory.

with open_source(path, kind="text") as source:
    for record in source.records(skip=already_done):
        ...
"""

from pathlib import Path

from labeling import kinds
from labeling.intake.readers.file_tree import ShardsSource, shards_in
from labeling.kinds import Kind

from .base import DEFAULT_LIMITS, PLAIN, Limits, Record, Source, SourceFile, UnreadableFile
from .file_tree import FileTreeSource
from .forms import FORMS, Form, form_of_suffix
from .layout import Layout
from .lines import PACKED, form_suffix
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
    file = SourceFile(path, kinds.get(kind), name or path.name, limits, layout, truth_path)
    try:
        form = None if path.is_dir() else _form_of(path, file.name)
        if truth_path is not None and (form is None or form.name != "npy"):
            raise UnreadableFile(f"{file.name}: a truth file goes with .npy only: elsewhere, truth is a column")
        if problem := file.kind.missing():
            raise UnreadableFile(f"{file.name}: {problem}")
        if layout.encoding and not (form and form.is_text):
            raise UnreadableFile(f"{file.name}: only text files have an encoding: leave it out")
        if form is None or form.reader is None:  # perhaps of shards, which any kind takes
            return _open_tree(file)
        _check_kind(form.name, file.kind, file.name)
        return form.reader(file)
    except OSError as error:
        raise UnreadableFile(f"{file.name}: cannot be opened: {error.strerror or error}") from error


def has_rows(name: str) -> bool:
    """Return whether a file with this name is one with rows, by its suffix."""
    return form_of_suffix(name) is not None


def is_text(name: str) -> bool:
    """Return whether a file with this name is one of texts, which has an encoding, by its suffix."""
    form = form_of_suffix(name)
    return form is not None and form.is_text


def check_form(path: Path, *, kind: str, name: str) -> None:
    """Raise `UnreadableFile` for a file that no project of the kind takes, by its name and first bytes alone. A zip
    file is opened if it must be one of shards, and its first shard is unpacked.
    """
    form, its_kind = _form_of(path, name), kinds.get(kind)
    if form.reader is None and form.name not in its_kind.forms:
        _open_tree(SourceFile(path, its_kind, name, layout=Layout(unsettled=True))).close()
    else:
        _check_kind(form.name, its_kind, name)


def _form_of(path: Path, name: str) -> Form:
    """Return the form of the file, by the suffix of its name or else by its first bytes. Raises UnreadableFile."""
    if not path.exists():
        raise UnreadableFile(f"{name}: this file or folder does not exist")
    if not path.is_file():
        raise UnreadableFile(f"{name}: is neither a file nor a folder")
    if path.stat().st_size == 0:
        raise UnreadableFile(f"{name}: the file is empty")
    with path.open("rb") as file:
        head = file.read(8)
    begin_so = [form for form in FORMS if head.startswith(form.magics)]
    suffix = form_suffix(name)
    if suffix in (".xls", ".ods"):
        raise UnreadableFile(f"{name}: this kind of spreadsheet cannot be read: save it as CSV or .xlsx")
    form = form_of_suffix(name) or next(iter(begin_so), None)
    if form is None:
        files = " or ".join(kind.plural for kind in kinds.KINDS.values() if kind.is_file)
        raise UnreadableFile(f"{name}: this kind of file is not read: {_READ.format(files)}")
    if not form.is_text and name.lower().endswith(PACKED):
        raise UnreadableFile(f"{name}: of packed files, only CSV, TSV, JSONL and JSON are read: unpack it")
    if begin_so and form not in begin_so:
        raise UnreadableFile(f"{name}: the file is called {suffix} but holds {begin_so[0].name}: rename or convert it")
    return form


def _check_kind(form: str, kind: Kind, name: str) -> None:
    needed = [each.name for each in kinds.KINDS.values() if form in each.forms]
    if needed and kind.name not in needed:
        needed_kinds = " or ".join(needed)
        raise UnreadableFile(
            f"{name}: a {form} is for projects of kind {needed_kinds}, this one is of kind {kind.name}"
        )


def _open_tree(file: SourceFile) -> Source:
    form = "folder" if file.path.is_dir() else "zip"
    tree: Tree = FolderTree(file) if form == "folder" else ZipTree(file)
    try:
        if names := shards_in(tree, file.kind):
            return ShardsSource(file, tree, names)
        if form not in file.kind.forms:
            must = "must hold one table alone, or shards of an export"
            raise UnreadableFile(f"{file.name}: a {form} for a project of kind {file.kind.name} {must}")
        return FileTreeSource(file, tree)
    except UnreadableFile:
        tree.close()
        raise
