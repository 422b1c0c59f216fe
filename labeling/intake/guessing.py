"""Guess the layout of a file: encoding and delimiter, and the columns of content, id and label. No database."""

import codecs
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from charset_normalizer import from_bytes

from labeling import kinds
from labeling.intake import row_labels
from labeling.intake.readers import Layout, Record, Source, is_text, open_source
from labeling.intake.readers.base import EXPORTED, SourceFile
from labeling.intake.readers.csv_file import CsvSource
from labeling.intake.readers.lines import open_unpacked
from labeling.intake.rules import Rules
from labeling.kinds import FileKind, Kind
from labeling.kinds.wording import is_blank, whole

SAMPLE = 200
"""The rows that a guess is made of."""
MOST_COLUMNS = 200
"""The columns of objects that are offered, with those within objects."""
OWN_LABELS = frozenset({"label", "truth", "gold", "suggestion"})
"""The product's own columns of labels."""
_DEPTH = 3
_HEAD_BYTES = 4 << 20
_SAMPLE_BYTES = 16 << 20
_PIECE_BYTES = 64 << 10
# The encodings that a guess distinguishes. Latin-1 is a part of Windows-1252.
_GUESSED = ("cp1252", "cp1250", "cp1251", "shift_jis", "gb18030")

_TEXTS = (
    "text", "body", "message", "content", "comment", "review", "sentence", "document", "description", "question",
    "tweet", "post", "utterance", "abstract", "prompt", "query", "title", "subject", "nachricht", "kommentar",
)  # fmt: skip
_FILES = (
    "image", "audio", "file_name", "filename", "file", "path", "img", "picture", "photo", "recording", "sound", "clip",
)  # fmt: skip
_IDS = ("id", "external_id", "uuid", "guid", "key", "index", "nr", "number")
_LABELS = (
    "label", "labels", "category", "class", "class_name", "target", "tag", "tags", "topic", "intent", "sentiment",
    "gold_label", "answer", "kategorie", "klasse", "thema",
)  # fmt: skip
_FEW = 50  # different labels in a sample, at most
_SHORT = 64  # characters of an id or a label, at most


class Guess(NamedTuple):
    """A layout, the columns that it chooses from, and what the file needs a person for.

    `delimiter` is the one in use; "" where a file has none. `own`: the file is in the product's own form.
    `questions`: those that a file of an annotation tool answers, if it answers several.
    """

    layout: Layout
    columns: tuple[str, ...]
    delimiter: str
    own: bool
    questions: tuple[str, ...] = ()

    @property
    def shape(self) -> str:
        """Return a hash of the set of columns; "" without columns."""
        if not self.columns:
            return ""
        return hashlib.sha256("\0".join(sorted(self.columns)).encode("utf-8", "surrogatepass")).hexdigest()


def guess(path: Path, rules: Rules, *, name: str) -> Guess:
    """Guess the layout of a file that people know by this name. Raises `UnreadableFile`."""
    with open_guessed(path, rules, name=name) as (_, guessed):
        return guessed


@contextmanager
def open_guessed(
    path: Path, rules: Rules, *, name: str, encoding: str | None = None, delimiter: str = ""
) -> Iterator[tuple[Source, Guess]]:
    """Open a file that people know by this name, and guess its layout, for the caller to settle the source in it or in
    another one. `encoding`: None to guess it, too.

    Raises `UnreadableFile`.
    """
    if encoding is None:
        encoding = guess_encoding(SourceFile(path, kinds.get(rules.kind), name)) if is_text(name) else ""
    layout = Layout(encoding=encoding, delimiter=delimiter, unsettled=True)
    with open_source(path, kind=rules.kind, name=name, layout=layout) as source:
        yield source, _guess(source, rules)


def _guess(source: Source, rules: Rules) -> Guess:
    if source.holds_files:
        return Guess(Layout(), (), "", own=True)
    records = list(_sample(source))
    rows = [record.fields for record in records if record.fields is not None]
    is_of_tool = any(record.tool for record in records)
    is_exported = bool(rows) and all(row.keys() >= EXPORTED or row_labels.is_dataset(row) for row in rows)
    in_one = is_exported or (_is_flat(source, rows) and not is_of_tool)
    columns = source.columns or tuple(rows[0]) if in_one else tuple(_names(rows, source.kind))
    in_use = source.delimiter if isinstance(source, CsvSource) and is_text(source.name) else ""
    questions = source.questions if len(source.questions) > 1 else ()
    text = replace(source.layout, unsettled=False)
    if is_exported or EXPORTED.issubset(columns):
        return Guess(text, columns, in_use, own=not text.encoding)
    others = {*source.number_columns, *(["class"] if rules.question.proposes else [])}
    layout = _columns(rows, [name for name in columns if name not in others], source.kind, rules)
    is_own = not (layout.stored() or text.encoding or is_of_tool)
    layout = replace(layout, encoding=text.encoding, delimiter=text.delimiter)
    return Guess(layout, columns, in_use, is_own, questions)


def guess_encoding(file: SourceFile) -> str:
    """Return the encoding of a text file, as in `Layout`; "" for UTF-8. Raises `UnreadableFile`."""
    with open_unpacked(file) as raw:
        head = raw.read(_HEAD_BYTES)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or head[1:4:2] == b"\0\0":
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        telling = b"\n".join(line for line in head.splitlines() if not line.isascii())
        matches = from_bytes(telling[:_PIECE_BYTES], cp_isolation=list(_GUESSED))
        best = matches.best()
        # Short texts fit many encodings equally well, and this is by far the most frequent one.
        if best is None or any("cp1252" in each.could_be_from_charset for each in matches):
            return "cp1252"
        return best.encoding if best.encoding in _GUESSED else "cp1252"
    return ""


def _sample(source: Source) -> Iterator[Record]:
    """Yield the first rows, fewer if they are large, without blank rows, as spreadsheets write them."""
    size = 0
    for record in islice(source.known(), SAMPLE):
        size += record.size
        if record.fields is not None and not all(map(is_blank, record.fields.values())):
            yield record
        if size > _SAMPLE_BYTES:
            return


def value_at(row: Mapping[str, Any], column: str) -> Any:
    """Return the value of a column, which may lie within objects: "meta.source". None if there is none."""
    if column in row:
        return row[column]
    outer, _, inner = column.partition(".")
    nested = row.get(outer)
    return value_at(nested, inner) if inner and isinstance(nested, dict) else None


def _is_flat(source: Source, rows: Sequence[Mapping[str, Any]]) -> bool:
    return bool(source.columns) and not any(isinstance(value, dict) for row in rows[:1] for value in row.values())


def _names(rows: Iterable[Mapping[str, Any]], kind: Kind) -> Iterator[str]:
    """Return the names of all columns, also of those within objects, in the order of their first row."""
    seen = dict.fromkeys(name for row in rows for name in islice(_within(row, kind, 1), MOST_COLUMNS))
    return islice(seen, MOST_COLUMNS)


def _within(row: Mapping[str, Any], kind: Kind, depth: int) -> Iterator[str]:
    for name, value in row.items():
        is_file = isinstance(kind, FileKind) and isinstance(value, dict) and value.keys() <= {"bytes", "path"}
        if isinstance(value, dict) and value and depth < _DEPTH and not is_file:
            yield from (f"{name}.{inner}" for inner in _within(value, kind, depth + 1))
        else:
            yield name


def _columns(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], kind: Kind, rules: Rules) -> Layout:
    """Return the layout of these rows. A column with the product's own name needs no option."""
    values = {name: [value for row in rows if not is_blank(value := value_at(row, name))] for name in columns}
    content = "" if kind.takes_number_columns else _content(values, kind)
    rest = {name: cells for name, cells in values.items() if name != content}
    has_id = [rest.pop(name) for name in ("id", "external_id") if name in rest]
    label = "" if not OWN_LABELS.isdisjoint(columns) else _label_column(rest, rules)
    for taken in (label, *OWN_LABELS):
        rest.pop(taken, None)
    the_id = "" if has_id else _id(rest, len(rows))
    is_own = not content or (content in kind.columns if isinstance(kind, FileKind) else content == kind.name)
    option = "media_column" if isinstance(kind, FileKind) else "text_column"
    chosen: dict[str, Any] = {option: "" if is_own else content, "id_column": the_id, "label_column": label}
    if label:
        known = sum(rules.class_named(name) is not None for name in map(_name, values[label]))
        chosen["labels_as"] = "trusted" if 2 * known >= len(values[label]) else "ignore"
        copies = [name for name, cells in rest.items() if name != the_id and cells == values[label]]
        return Layout(**chosen, leave_out=tuple(copies))
    return Layout(**chosen)


def _content(values: Mapping[str, Sequence[Any]], kind: Kind) -> str:
    own = next((name for name in (kind.name, "file_name") if name in values and name in kind.columns), "")
    if own:
        return own
    named = _by_name(values, _FILES if isinstance(kind, FileKind) else _TEXTS)
    if named or isinstance(kind, FileKind):
        return named
    lengths = {
        name: sum(map(len, texts)) / len(texts)
        for name, cells in values.items()
        if (texts := [cell for cell in cells if isinstance(cell, str)])
    }
    return max(lengths, key=lambda name: lengths[name], default=next(iter(values), ""))


def _label_column(values: Mapping[str, Sequence[Any]], rules: Rules) -> str:
    """Return the column whose values are classes, first one with a usual name; else one with a usual name, else the
    only one with few different short values.
    """
    shares = {
        name: sum(rules.class_named(_name(cell)) is not None for cell in cells) / len(cells)
        for name, cells in values.items()
        if len(set(map(_name, cells))) < len(cells)  # ids may be numbers, as classes may
    }
    of_classes = {name: share for name, share in shares.items() if share >= 0.5}
    likely = _named_label(of_classes) or max(of_classes, key=lambda name: of_classes[name], default="")
    if named := likely or _named_label(values):
        return named
    few = [name for name, cells in values.items() if 2 <= len(set(map(_name, cells))) <= min(_FEW, len(cells) // 4)]
    short = [name for name in few if all(0 < len(_name(cell)) <= _SHORT for cell in values[name])]
    return short[0] if len(short) == 1 else ""


def _named_label(names: Iterable[str]) -> str:
    usual = _by_name(names, _LABELS)
    return usual or next((name for name in names if _plain(name).endswith(("_label", "_class", "_category"))), "")


def _id(values: Mapping[str, Sequence[Any]], n_rows: int) -> str:
    """Return the column of unique short values: one with a usual name, or else the first one."""
    unique = {
        name: cells
        for name, cells in values.items()
        if len(cells) == n_rows > 1
        and all(isinstance(cell, str | int) and len(str(cell)) <= _SHORT for cell in cells)
        and len(set(map(str, cells))) == n_rows
    }
    named = _by_name(unique, _IDS) or next((name for name in unique if _plain(name).endswith(("_id", "-id", "id"))), "")
    return named or next((name for name, cells in unique.items() if not any(" " in str(cell) for cell in cells)), "")


def _by_name(names: Iterable[str], usual: Sequence[str]) -> str:
    """Return the name that comes first among the usual ones; of a name within objects its last part counts."""
    by_plain: dict[str, str] = {}
    for name in names:
        by_plain.setdefault(_plain(name), name)
    return next((by_plain[each] for each in usual if each in by_plain), "")


def _plain(name: str) -> str:
    return name.rsplit(".", 1)[-1].strip().lower().replace(" ", "_").replace("-", "_")


def _name(cell: Any) -> str:
    """Return the cell as the name of a class; "" if it cannot be one."""
    cell = whole(cell)
    if isinstance(cell, list) and len(cell) == 1:
        cell = cell[0]
    return str(cell).strip() if isinstance(cell, str | int) else ""
