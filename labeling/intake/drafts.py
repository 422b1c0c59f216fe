"""Check a record against the project's rules: the result is the draft of an item, whose values JSON and both databases
can store, or a rejection.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from labeling import kinds
from labeling.intake import answer_cells, row_labels
from labeling.intake.readers.base import Record, Source
from labeling.intake.row_labels import Labels
from labeling.intake.rules import Rules
from labeling.kinds import BadFile, BadValue, KeptAtSource, Surroundings
from labeling.kinds.wording import excerpt, is_blank, plain, printable, whole
from labeling.labels.resolving.origins import Origin
from labeling.questions import InvalidValue, Shown

ID_LENGTH = 200


class Draft(NamedTuple):
    """The content of a row that can become an item.

    `truth` is None if it is not known, else a class (single), a list of different classes, possibly empty (multi), or
    whether the proposed class applies (verify). `proposed` is set for verify only. Until the file is opened, `file` has
    the original bytes and `suffix` is ""; then `suffix` is that of the real format, for example ".png". `preview` and
    `thumbnail` are smaller pictures of the file, b"" for none. A file that stays at a source is `kept` and not `file`,
    and `suffix` is that of its name. `vector` is float32, (d,), and finite. `labels` is None
    for an item without a label. `gold` is the known answer of a gold item, else None. `suggestion` has the form of
    `truth`, and annotators may see it. `place_id` is the id that earlier releases gave a row without an id; "" if the
    row has an id.
    """

    external_id: str
    data: dict[str, Any]
    truth: Shown | None = None
    proposed: str | None = None
    file: bytes | None = None
    suffix: str = ""
    vector: np.ndarray | None = None
    place_id: str = ""
    labels: Labels | None = None
    gold: Shown | None = None
    suggestion: Shown | None = None
    preview: bytes = b""
    thumbnail: bytes = b""
    kept: KeptAtSource | None = None

    @property
    def file_bytes(self) -> int:
        """The bytes of its file and smaller pictures."""
        return len(self.file or b"") + len(self.preview) + len(self.thumbnail)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that an earlier import may have given the item."""
        return (self.external_id, self.place_id) if self.place_id else (self.external_id,)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rejected record: its place, the reason, and its beginning (at most 200 printable characters)."""

    where: str
    reason: str
    excerpt: str


def check_row(record: Record, rules: Rules, source: Source) -> Draft | Rejection:
    """Return the draft of an item, or a rejection, before the row's file is opened and ids are compared."""
    if record.fields is None:
        return Rejection(record.where, _sentence(record.problem), record.excerpt)
    fields = _flat(record.fields)
    try:
        return _draft(record, fields, rules, source)
    except BadValue as problem:
        reason = source.layout.named_in(str(problem), source.kind.name)
        return Rejection(record.where, _sentence(reason), _excerpt(fields))
    except BadFile as problem:
        return bad_file(record, rules, problem)


def bad_file(record: Record, rules: Rules, problem: BadFile) -> Rejection:
    """Return the rejection of a record whose file cannot be read, or is not of the project's kind."""
    noun = kinds.get(rules.kind).noun
    return Rejection(record.where, _sentence(f"the {noun} {problem}"), _excerpt(_flat(record.fields or {})))


def _draft(record: Record, fields: dict[str, Any], rules: Rules, source: Source) -> Draft:
    left = dict(fields)
    if source.layout.unknown_labels:
        answer_cells.drop_unknown(left, rules)
    external_id, place_id = _pop_external_id(left), ""
    if not external_id and rules.id_of:
        external_id = rules.id_of(record.default_id)
        place_id = _place_id(record, rules, source) if rules.knows_places else ""
    external_id = external_id or _place_id(record, rules, source)
    truth, proposed = _pop_truth(left, rules, source)
    labeled = row_labels.pop_labels(left, rules)
    gold = answer_cells.read_answer(plain(left.pop("gold", None)), "gold", rules)
    suggestion = plain(left.pop("suggestion", None))  # only annotators whose task is prompted may see it
    if rules.with_truth:
        suggestion = answer_cells.read_answer(suggestion, "suggestion", rules)
    around = Surroundings(
        number_columns=source.number_columns,
        vector_length=rules.vector_length,
        open_file=rules.files_at or (source.open_file if source.holds_files or rules.allow_files else None),
        at_source=rules.files_at is not None,
        in_tree=source.holds_files,
    )
    content = kinds.get(rules.kind).pop_content(left, around)
    data = json_safe({**content.shown, **left})
    if rules.question.checks_content:
        _check_content(rules, data, (truth, gold, suggestion, *row_labels.values_of(labeled)))
    return Draft(
        external_id,
        data,
        truth,
        proposed,
        content.file,
        content.suffix,
        kept=content.kept,
        vector=content.vector,
        place_id=place_id,
        labels=labeled,
        gold=gold if rules.with_truth else None,
        suggestion=suggestion if rules.with_truth else None,
    )


def _check_content(rules: Rules, data: Mapping[str, Any], values: Iterable[Shown | None]) -> None:
    """Raise `BadValue` if one of the answers in a row does not fit its item."""
    for value in values:
        try:
            if value is not None:
                rules.question.check_content(rules.question.parse(value, rules.indices), data)
        except InvalidValue as error:
            raise BadValue(str(error)) from None


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a row: of a Label Studio task those in its `data`, without the others."""
    data = fields.get("data")
    if "gold" in fields and row_labels.unanswered(fields) == Origin.CERTIFIED:  # a model's label measures no person
        fields = {**fields, "suggestion": fields["gold"], "gold": None}
    # Rows of all our exports have the column.
    if "external_id" in fields and (exported := row_labels.item_fields(fields)) is not None:
        return exported
    if not isinstance(data, dict) or not fields.keys().isdisjoint({*kinds.KINDS, "file_name"}):
        return fields
    outer = {
        key: fields[key]
        for key in ("id", "external_id", "truth", "label", "suggestion", "gold", "class")
        if key in fields
    }
    return {**outer, **data}


def _pop_external_id(left: dict[str, Any]) -> str:
    """Remove the id from the fields, and return it; "" if the row has none."""
    column = "external_id" if "external_id" in left else "id"
    value = whole(plain(left.pop(column, None)))
    if is_blank(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise BadValue(f'column "{column}" must be text or a whole number')
    text = str(value).strip()
    if len(text) > ID_LENGTH:
        raise BadValue(f'column "{column}" has {len(text)} characters, more than the {ID_LENGTH} allowed')
    if printable(text) != text:
        raise BadValue(f'column "{column}" holds characters that cannot be printed')
    return text


def _place_id(record: Record, rules: Rules, source: Source) -> str:
    """Return the record's place as an id; only the file's name if its folder is a class."""
    path = PurePosixPath(record.default_id)
    if not source.truth_from_folder or class_of_folder(str(path), rules) is None:
        return record.default_id
    digest = hashlib.sha256(record.default_id.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{path.stem[:150]}-{digest}{path.suffix[:20]}"


def _pop_truth(left: dict[str, Any], rules: Rules, source: Source) -> tuple[Shown | None, str | None]:
    """Take the truth, and for verify the proposed class, out of the fields; none of them may be shown to annotators."""
    proposed, truth = plain(left.pop("class", None)), plain(left.pop("truth", None))
    truth = truth if rules.with_truth else None
    folder = class_of_folder(left.get("file_name"), rules) if source.truth_from_folder else None
    if rules.question.proposes:
        proposed = folder if is_blank(proposed) else proposed
        if proposed is None and source.truth_from_folder:
            noun = kinds.get(rules.kind).noun
            raise BadValue(
                f"no folder around the {noun} bears the name of a class: that would be the one to be verified"
            )
        if proposed is None:
            raise BadValue('column "class" is missing or empty: it names the class to be verified')
        return answer_cells.read_answer(truth, "truth", rules), answer_cells.one_of(proposed, "class", rules)
    column = source.layout.folders_as
    if column == "truth":
        truth = folder if is_blank(truth) else truth
    elif column and folder is not None:  # a file of a folder alone has no columns of its own
        left[column] = folder
    return answer_cells.read_answer(truth, "truth", rules), None


def class_of_folder(name: Any, rules: Rules) -> str | None:
    """Return the class that has the name of the nearest folder; None without one."""
    folders = reversed(PurePosixPath(str(name)).parts[:-1])
    return next((known for folder in folders if (known := rules.class_named(folder)) is not None), None)


def _excerpt(fields: dict[str, Any]) -> str:
    """Return the first fields, with the beginnings of their values."""
    shown = []
    for name, value in islice(fields.items(), 10):
        text = f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)
        shown.append(f"{name}={text[:80]}")
    return excerpt("; ".join(shown))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


_DEPTH = 32
_LARGE = 2**63  # larger numbers are stored as text: few programs read them without loss


def json_safe(fields: dict[str, Any]) -> dict[str, Any]:
    """Return `fields` with None for NaN and infinities, text for huge numbers and dates, and a note for bytes.

    Raises BadValue for text that PostgreSQL cannot store (NUL, half of a surrogate pair) and for deep nesting.
    """
    return {
        _text(name, name): _text(value, name) if type(value) is str else _safe(value, name, 0)
        for name, value in fields.items()
    }


def _safe(value: Any, column: str, depth: int) -> Any:
    if depth > _DEPTH:
        raise BadValue(f'column "{printable(column)}" is nested more than {_DEPTH} levels deep')
    match value:
        case None | bool():
            return value
        case int():
            return value if -_LARGE <= value < _LARGE else hex(value) if value.bit_length() > 4096 else str(value)
        case str():
            return _text(value, column)
        case float():
            # PostgreSQL writes 1e30 out in full, which then reads as a whole number.
            return (value if abs(value) < _LARGE else repr(value)) if math.isfinite(value) else None
        case np.ndarray() | np.generic():
            return _safe(value.tolist(), column, depth)
        case list() | tuple():
            return [_safe(item, column, depth + 1) for item in value]
        case dict():
            return {_text(str(key), column): _safe(item, column, depth + 1) for key, item in value.items()}
        case bytes():
            return f"<{len(value)} bytes>"
        case datetime() | date() | time():
            return value.isoformat()
    return _text(str(value), column)


def _text(text: str, column: str) -> str:
    if "\0" in text:
        raise BadValue(f'column "{printable(column)}" holds a NUL character, which no database stores as text')
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadValue(f'column "{printable(column)}" holds half of a character (a lone surrogate)') from None
    return text
