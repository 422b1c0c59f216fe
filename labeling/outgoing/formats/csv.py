"""CSV: a header line, then a record for each row. Cells that a spreadsheet would run as a formula are defused."""

import codecs
import csv
import datetime
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from labeling.outgoing.formats.base import JSON_OPTIONS, Layout, Page, columns

# What a spreadsheet takes for the start of a formula; blanks before it, some of them invisible, may be trimmed.
# Apostrophes before it count, too, so that an import that removes one apostrophe always restores the text.
_FORMULA = re.compile(r"'*(?:[\t\r\n]|[\s\u200b\u2060\ufeff]*[=+\-@＝＋－＠])")
# Numbers and telephone numbers, such as -1, +3.5e-7 and +49 (221) 12-3, which name no cell and no function.
_NUMBER = re.compile(r"[+\-][ (]*\.?[0-9][0-9 .,/()\-]*(?:[eE][+\-]?[0-9]+)?")
# The types of values that the csv module writes without conversion by `cell`.
_AS_THEY_ARE = {int, float, type(None)}
_YES_OR_NO = {True: "true", False: "false"}


def write_csv(pages: Iterable[Page], layout: Layout) -> Iterator[bytes]:
    """Write a header and the rows, with lists and objects as JSON."""
    names = layout.schema.names
    # Excel takes UTF-8 for another encoding without the mark. Some programs keep quoted texts from becoming numbers.
    for_people, delimiter = layout.for_people, layout.delimiter
    yield (codecs.BOM_UTF8 if for_people else b"") + _csv([map(cell, names)], delimiter, quote_texts=for_people)
    for page in pages:
        rows = zip(*map(_cells, columns(layout.as_columns(page), names)), strict=True)
        yield _csv(rows, delimiter, quote_texts=for_people)


def csv_lines(lines: Iterable[Sequence[Any]]) -> bytes:
    """Format rows as CSV, each value by `cell`."""
    return _csv([cell(value) for value in line] for line in lines)


def _csv(lines: Iterable[Iterable[Any]], delimiter: str = ",", *, quote_texts: bool = False) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_NONNUMERIC if quote_texts else csv.QUOTE_MINIMAL)
    writer.writerows(lines)
    return buffer.getvalue().encode()


def _cells(column: Sequence[Any]) -> Iterable[Any]:
    kinds = set(map(type, column))
    if kinds <= _AS_THEY_ARE:
        return column
    if kinds == {bool}:
        return map(_YES_OR_NO.__getitem__, column)
    return map(defused, column) if kinds == {str} else map(cell, column)


def defused(text: str) -> str:
    """Return the text for a CSV cell, with an apostrophe in front if a spreadsheet would run the text as a formula."""
    if text[:1].isalnum() or not _FORMULA.match(text) or _NUMBER.fullmatch(text):
        return text
    return f"'{text}"


def cell(value: Any) -> Any:
    """Convert a value for a CSV cell: numbers and None stay, other values become text."""
    if isinstance(value, str):
        return defused(value)
    if isinstance(value, bool | list):
        return orjson.dumps(value, option=JSON_OPTIONS).decode()
    if isinstance(value, datetime.datetime):
        return orjson.dumps(value, option=JSON_OPTIONS).decode().strip('"')
    return value
