"""Is a record fit to be an item of a project? A record and the project's rules in, a draft or a rejection out."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
import orjson

from labeling.questions import Question

from .readers.base import BadImage, Record, Source, excerpt, printable
from .readers.csv_file import number
from .readers.images import MAX_BYTES, MAX_PIXELS
from .readers.values import BadValue, json_safe

ID_LENGTH = 200


@dataclass(frozen=True)
class Rules:
    """What a project takes. `vector_length` None takes any; the caller sets it from the first draft it accepts."""

    kind: Literal["image", "text", "vector"]
    question: Question
    classes: tuple[str, ...]
    vector_length: int | None = None
    with_truth: bool = True  # what a row says of the truth must be right; without, it is passed over
    allow_image_files: bool = False  # rows may name image files beside a CSV, JSONL or Parquet file
    id_of: Callable[[str], str] | None = None  # the id of a row that has none, by its place; None: the place itself
    knows_places: bool = False  # the project may have items that an earlier version named after their places
    max_image_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS
    class_names: frozenset[str] = field(init=False, repr=False, compare=False)  # of `classes`, to be looked up in

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", frozenset(self.classes))


@dataclass(frozen=True, slots=True)
class Draft:
    """An item as it may be stored.

    `truth` is None where it is not known, else a class (single), a list of classes without repeats, possibly
    empty (multi), or whether the proposed class is there (verify). `proposed` is set for verify alone.
    `image` holds the file's bytes and `image_suffix` its real format, ".png", ".jpg", ".gif", ".webp", ".bmp" or
    ".tif"; they are as they came, and "", until the image is opened. `vector` is 1-D float32, all of it finite.
    `place_id` is the id that earlier versions gave a row without one; "" where the row names its own.
    """

    external_id: str
    data: dict[str, Any]
    truth: str | list[str] | bool | None = None
    proposed: str | None = None
    image: bytes | None = None
    image_suffix: str = ""
    vector: np.ndarray | None = None
    place_id: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids under which the item may be there already."""
        return (self.external_id, self.place_id) if self.place_id else (self.external_id,)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that was set aside: where it stands, why, and its beginning (at most 200 printable characters)."""

    where: str
    reason: str
    excerpt: str


def check_row(record: Record, rules: Rules, source: Source) -> Draft | Rejection:
    """The draft of an item, or why there can be none. An image is not opened, and duplicate ids are not looked for."""
    if record.fields is None:
        return Rejection(record.where, _sentence(record.problem), record.excerpt)
    fields = _flat(record.fields)
    try:
        return _draft(record, fields, rules, source)
    except BadValue as problem:
        return Rejection(record.where, _sentence(str(problem)), _excerpt(fields))
    except BadImage as problem:
        return bad_image(record, problem)


def bad_image(record: Record, problem: BadImage) -> Rejection:
    """The rejection of a record whose image cannot be had, or is none."""
    return Rejection(record.where, _sentence(f"the image {problem}"), _excerpt(_flat(record.fields or {})))


def _draft(record: Record, fields: dict[str, Any], rules: Rules, source: Source) -> Draft:
    left = dict(fields)
    external_id, place_id = _external_id(left), ""
    if not external_id and rules.id_of:
        external_id = rules.id_of(record.default_id)
        place_id = _place_id(record, rules, source) if rules.knows_places else ""
    external_id = external_id or _place_id(record, rules, source)
    truth, proposed = _answers(left, rules, source)
    image, vector = None, None
    shown: dict[str, Any] = {}
    if rules.kind == "text":
        shown["text"] = _text(left)
    elif rules.kind == "image":
        image = _image(left, rules, source)
    else:
        vector, shown = _vector(left, source.vector_columns)
        _check_length(vector, rules.vector_length)
    data = json_safe({**shown, **left})
    return Draft(external_id, data, truth, proposed, image, vector=vector, place_id=place_id)


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a row; those of a Label Studio task lie in its `data`, and what else it has is not the item's."""
    data = fields.get("data")
    if not isinstance(data, dict) or not fields.keys().isdisjoint({"text", "image", "file_name", "vector"}):
        return fields
    outer = {key: fields[key] for key in ("id", "external_id", "truth", "class") if key in fields}
    return {**outer, **data}


def _external_id(left: dict[str, Any]) -> str:
    """Take the id out of the fields; "" if the row has none."""
    column = "external_id" if "external_id" in left else "id"
    value = _plain(left.pop(column, None))
    if _is_blank(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise BadValue(f'column "{column}" must be text or a whole number')
    text = str(value).strip()
    if len(text) > ID_LENGTH:
        raise BadValue(f'column "{column}" has {len(text)} characters, more than the {ID_LENGTH} that are taken')
    if printable(text) != text:
        raise BadValue(f'column "{column}" holds characters that cannot be printed')
    return text


def _place_id(record: Record, rules: Rules, source: Source) -> str:
    """The record's place as an id; of a folder that is a class, the file's name alone."""
    path = PurePosixPath(record.default_id)
    if not source.truth_from_folder or _class_of_folder(str(path), rules) is None:
        return record.default_id
    digest = hashlib.sha256(record.default_id.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{path.stem[:150]}-{digest}{path.suffix[:20]}"


def _answers(left: dict[str, Any], rules: Rules, source: Source) -> tuple[str | list[str] | bool | None, str | None]:
    """Take the truth, and for verify the proposed class, out of the fields; none of them may be shown to annotators."""
    label, proposed = _plain(left.pop("label", None)), _plain(left.pop("class", None))
    truth = _plain(left.pop("truth", label))
    truth = truth if rules.with_truth else None
    folder = _class_of_folder(left.get("file_name"), rules) if source.truth_from_folder else None
    if rules.question.proposes:
        proposed = folder if _is_blank(proposed) else proposed
        if proposed is None and source.truth_from_folder:
            raise BadValue("no folder around the image bears the name of a class: that would be the one to be verified")
        if proposed is None:
            raise BadValue('column "class" is missing or empty: it names the class to be verified')
        return _yes_or_no(truth), _class(proposed, "class", rules)
    truth = folder if _is_blank(truth) else truth
    return (_classes(truth, rules) if rules.question.several else _one_class(truth, rules)), None


def _class_of_folder(name: Any, rules: Rules) -> str | None:
    """The class that the nearest folder is called by, if one is; macOS writes accents as characters of their own."""
    for part in reversed(PurePosixPath(str(name)).parts[:-1]):
        for spelling in (part, unicodedata.normalize("NFC", part)):
            if spelling in rules.class_names:
                return spelling
    return None


def _one_class(value: Any, rules: Rules) -> str | None:
    if isinstance(value, list):  # doccano: {"label": ["cat"]}
        if len(value) > 1:
            raise BadValue(f"truth names {len(value)} classes, but this project asks for one")
        value = value[0] if value else None
    return None if _is_blank(value) else _class(value, "truth", rules)


def _classes(value: Any, rules: Rules) -> list[str] | None:
    if _is_blank(value):
        return None
    parts = value.split("|") if isinstance(value, str) else value if isinstance(value, list) else [value]
    return list(dict.fromkeys(_class(part, "truth", rules) for part in parts))


def _class(value: Any, column: str, rules: Rules) -> str:
    """The class that a value names; a number names the class that is written like it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    name = str(value) if isinstance(value, (str, int)) else None
    if name is None:
        raise BadValue(f'column "{column}" must name a class, not hold a {_kind(value)}')
    for spelling in (name, name.strip()):
        if spelling in rules.class_names:
            return spelling
    some = ", ".join(rules.classes[:5]) + (", …" if len(rules.classes) > 5 else "")
    raise BadValue(f'{column} "{excerpt(name)[:60]}" is not a class of this project ({excerpt(some)})')


def _yes_or_no(value: Any) -> bool | None:
    if _is_blank(value):
        return None
    answer = {"true": True, "1": True, "1.0": True, "yes": True, "false": False, "0": False, "0.0": False, "no": False}
    try:
        return answer[str(value).strip().lower()]
    except KeyError:
        raise BadValue(f'truth "{excerpt(str(value))[:60]}" is not one of true, false, 1, 0, yes, no') from None


def _text(left: dict[str, Any]) -> str:
    if "text" not in left:
        raise BadValue('column "text" is missing')
    text = left.pop("text")
    if text is None or text == "":
        raise BadValue('column "text" is empty')
    if not isinstance(text, str):
        raise BadValue(f'column "text" must hold text, not a {_kind(text)}')
    if not text.strip():
        raise BadValue('column "text" holds nothing but white space')
    return text


def _image(left: dict[str, Any], rules: Rules, source: Source) -> bytes:
    """Take the image out of the fields: bytes, Hugging Face's {"bytes", "path"}, a data: URL, or a file's name."""
    column = "file_name" if source.holds_images or _is_blank(left.get("image")) else "image"
    value = left.pop(column, None)
    if column == "file_name":
        left.pop("image", None)
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return value
    if _is_blank(value):
        raise BadValue('the image is missing: name a file or give a data: URL in column "image"')
    if not isinstance(value, str):
        raise BadValue(f'column "{column}" must name a file or hold a data: URL, not a {_kind(value)}')
    if value[:5].lower() == "data:":
        return _data_url(value)
    if "://" in value[:20]:
        raise BadValue("the image is an address on the network, which is not fetched: give the file itself")
    if not (source.holds_images or rules.allow_image_files):
        raise BadValue("the image is named by a file, and an upload has none beside it: use a zip file or data: URLs")
    return source.open_image(value)


def _data_url(url: str) -> bytes:
    head, comma, body = url.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise BadValue("the data: URL of the image is not in base64")
    try:
        return base64.b64decode(body.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise BadValue("the data: URL of the image is damaged or cut short") from None


def _vector(left: dict[str, Any], columns: tuple[str, ...]) -> tuple[np.ndarray, dict[str, Any]]:
    """Take the vector out of the fields; with it, the numbers to show where each has a name."""
    if "vector" in left:
        return _as_vector(left.pop("vector"), "number {} of the vector"), {}
    if not columns:
        raise BadValue('column "vector" is missing')
    numbers = {column: _number(left.pop(column, None), column) for column in columns}
    vector = _as_vector(list(numbers.values()), 'column "{}"', names=columns)
    return vector, {column: _short(value) for column, value in numbers.items()}


def _number(cell: Any, column: str) -> float:
    value = number(cell) if isinstance(cell, str) else cell
    if value is None:
        what = "is empty" if _is_blank(cell) else f'holds "{excerpt(str(cell))[:60]}", which is no number'
        raise BadValue(f'column "{printable(column)}" {what}')
    return float(value)


def _as_vector(value: Any, place: str, *, names: tuple[str, ...] = ()) -> np.ndarray:
    """A list or array of numbers as float32; `place`, filled with a name or number, says where a wrong one stands."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise BadValue('column "vector" is not a list of finite numbers such as [0.5, 1, 2]') from None
    if not isinstance(value, (list, np.ndarray)):
        raise BadValue(f'column "vector" must hold a list of numbers, not a {_kind(value)}')
    if isinstance(value, list) and not {type(item) for item in value} <= {int, float}:
        raise BadValue('column "vector" holds something other than numbers')
    if len(value) == 0:
        raise BadValue("the vector is empty")
    try:
        with np.errstate(over="ignore"):  # what is too large for float32 shows as infinite below
            vector = np.asarray(value, dtype=np.float64).astype(np.float32)
    except OverflowError:
        raise BadValue("the vector holds a number that is too large") from None
    wrong = np.flatnonzero(~np.isfinite(vector))
    if wrong.size:
        at = int(wrong[0])
        where = place.format(printable(names[at]) if names else at + 1)
        raise BadValue(f"{where} is {'NaN' if np.isnan(vector[at]) else 'infinite or too large'}")
    return vector


def _check_length(vector: np.ndarray, length: int | None) -> None:
    if length is not None and len(vector) != length:
        raise BadValue(f"the vector has {len(vector)} numbers where this project's have {length}")


def _short(value: float) -> int | float:
    """3.0 is shown as 3."""
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _is_blank(value: Any) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip())


def _kind(value: Any) -> str:
    names: Mapping[type, str] = {bool: "yes or no", int: "number", float: "number", str: "text", dict: "JSON object"}
    return names.get(type(value), "list" if isinstance(value, (list, np.ndarray)) else type(value).__name__)


def _excerpt(fields: dict[str, Any]) -> str:
    """The first fields, each by its beginning."""
    shown = []
    for name, value in islice(fields.items(), 10):
        text = f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)
        shown.append(f"{name}={text[:80]}")
    return excerpt("; ".join(shown))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
