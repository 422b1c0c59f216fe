"""JSON files: JSON lines, or one list of objects."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

import orjson

from labeling.kinds.wording import EXCERPT, excerpt, size

from .base import Record, Source, SourceFile, UnreadableFile, numbered_id
from .lines import CHUNK, TextSource, decode, open_text, read_lines, skip_mark

_IN_STRING = re.compile(rb'["\\]')
_IN_LIST = re.compile(rb'["\[\]{},]')
_NESTED = re.compile(rb'["\[\]{}]')


class JsonLinesSource(TextSource):
    """A file with a JSON object on each line; blank lines are no records."""

    def __init__(self, file: SourceFile) -> None:
        super().__init__(file)
        _first_line(file)

    def _records(self, skip: int) -> Iterator[Record]:
        with open_text(self.file) as self._text:
            yield from json_line_records(self._text, name=self.name, limit=self.file.row_limit, skip=skip)


class JsonListSource(TextSource):
    """A file that holds one JSON list of objects, of any length."""

    per_row = b"{"

    def _records(self, skip: int) -> Iterator[Record]:
        with open_text(self.file) as self._text:
            skip_mark(self._text, self.name)
            elements = enumerate(_elements(self._text, limit=self.file.row_limit), start=1)
            for number, (raw, problem) in islice(elements, skip, None):
                fields, problem = (None, problem) if problem else parse_object(raw)
                yield _record(f"row {number}", fields, problem, raw, numbered_id(self.name, number))


def open_json(file: SourceFile) -> Source:
    """Return the reader for a .json file: a list of objects, or else an object a line. Raises UnreadableFile."""
    first = _first_line(file)
    if first.lstrip().startswith(b"["):
        return JsonListSource(file)
    if parse_object(first)[0] is None:
        raise UnreadableFile(f"{file.name}: the file holds neither a list of objects nor an object on each line")
    return JsonLinesSource(file)


def _first_line(file: SourceFile) -> bytes:
    """Return the first line that is not blank, or the beginning of a long one. Raises UnreadableFile without one."""
    with open_text(file) as text:
        lines = read_lines(text, limit=file.row_limit, start=skip_mark(text, file.name))
        first = next((line.raw for line in lines if line.raw.strip()), None)
    if first is None:
        raise UnreadableFile(f"{file.name}: the file is empty")
    return first


def json_line_records(file: BinaryIO, *, name: str, limit: int, skip: int = 0) -> Iterator[Record]:
    """Yield a record for each line of `file` that is not blank, after the first `skip`, which are not parsed."""
    lines = read_lines(file, limit=limit, start=skip_mark(file, name))
    for line in islice((line for line in lines if line.raw.strip()), skip, None):
        fields, problem = (None, _too_long(limit)) if line.too_long else parse_object(line.raw)
        yield _record(f"line {line.number}", fields, problem, line.raw, numbered_id(name, line.number))


def parse_object(raw: bytes) -> tuple[dict[str, Any] | None, str]:
    """Parse a JSON object; return None and the reason if `raw` is none."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        value, problem = _parse_with_nan(raw, f"is not valid JSON: {error}")
        if problem:
            return None, f"the row {decode(raw)[1] or problem}"
    if not isinstance(value, dict):
        return None, 'the row is not a JSON object {"name": value, …}'
    return value, ""


def _parse_with_nan(raw: bytes, problem: str) -> tuple[Any, str]:
    """Parse JSON with NaN and Infinity, which JSON lacks and many programs write. Return value and problem."""
    if b"NaN" not in raw and b"Infinity" not in raw:
        return None, problem
    try:
        return json.loads(raw), ""
    except (ValueError, RecursionError):
        return None, problem


def _record(where: str, fields: dict[str, Any] | None, problem: str, raw: bytes, default_id: str) -> Record:
    return Record(where, fields, problem, excerpt(raw.strip()) if problem else "", default_id, len(raw))


def _too_long(limit: int) -> str:
    return f"the row is longer than {size(limit)}"


class _Kept:
    """The bytes of an element of the list; only the beginning of an element that is too long."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._limit:
            self._parts.append(part)
        else:
            self._parts = [b"".join([*self._parts, part[:EXCERPT]])[:EXCERPT]]

    def pop_element(self, problem: str = "") -> tuple[bytes, str]:
        """Return the element, and the problem with it."""
        raw = b"".join(self._parts)
        problem = _too_long(self._limit) if self._size > self._limit else problem
        self._parts, self._size = [], 0
        return raw, problem


def _elements(file: BinaryIO, *, limit: int) -> Iterator[tuple[bytes, str]]:
    """Split the list in `file` into its elements, by brackets and strings, without parsing them. Yield each with the
    problem that it has already, "" without one.
    """
    kept = _Kept(limit)
    depth, in_string, escaped, count = 0, False, False, 0
    while chunk := file.read(CHUNK):
        start, at, escaped = 0, int(escaped), False
        while match := (_IN_STRING if in_string else _IN_LIST if depth == 1 else _NESTED).search(chunk, at):
            at, byte = match.end(), match[0]
            if byte == b"\\":
                escaped, at = at == len(chunk), at + 1
            elif byte == b'"':
                in_string = not in_string
            elif byte in b"[{":
                depth += 1
                start = at if depth == 1 else start
            elif byte == b",":
                kept.add(chunk[start : at - 1])
                yield kept.pop_element()
                start, count = at, count + 1
            else:
                depth -= 1
                if depth == 0:
                    yield from _last(kept, chunk[start : at - 1], count, chunk[at:] + file.read(CHUNK))
                    return
        kept.add(chunk[start:])
    yield kept.pop_element("the list is not closed: the file seems to be cut short")


def _last(kept: _Kept, part: bytes, count: int, tail: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield the last element of the list, and a bad element for bytes after the end of the list."""
    kept.add(part)
    raw, problem = kept.pop_element()
    if raw.strip() or count:
        yield raw, problem
    if tail.strip():
        yield tail, "something follows the end of the list: only one list a file is read"
