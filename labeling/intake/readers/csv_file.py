"""CSV and TSV files: a header, then a row an item."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import chain, islice
from typing import BinaryIO

from labeling.kinds.vector import number
from labeling.kinds.wording import excerpt, printable, size

from .base import Record, SourceFile, UnreadableFile, numbered_id
from .lines import TextLine, TextSource, decode, form_suffix, open_text, read_lines, skip_mark

_LINE = re.compile(rb"[^\r\n]*(?:\r\n?|\n)?")
_SAMPLE = 100  # rows that are looked at to tell which columns hold numbers
_UNCLOSED = "opens a quotation mark that is never closed"
_STRAY = "has text after a closing quotation mark (inside quotation marks, a quotation mark is written twice)"


class CsvSource(TextSource):
    """A CSV or TSV file, in UTF-8 unless the layout names another encoding. The delimiter of the layout or else the
    header's (comma, semicolon or tab) separates the columns.
    """

    is_table = True
    number_advice = " (decimal commas are not read)"

    def __init__(self, file: SourceFile) -> None:
        super().__init__(file)
        with self._open() as text:
            table = self._table(text)
            self.columns, self.delimiter = table.columns, table.delimiter
            if self.kind.takes_number_columns:
                self.columns_of_numbers = _columns_of_numbers(table)
        self.settle(file.layout)

    def _records(self, skip: int) -> Iterator[Record]:
        with self._open() as self._text:
            yield from islice(self._table(self._text).records(), skip, None)

    def _open(self) -> AbstractContextManager[BinaryIO]:
        return open_text(self.file)

    def _table(self, file: BinaryIO) -> CsvTable:
        start, delimiter = skip_mark(file, self.name), self.file.layout.delimiter
        return CsvTable(file, name=self.name, limit=self.file.row_limit, start=start, delimiter=delimiter)


class CsvTable:
    """The rows of an open CSV file, which has been read up to `start`. The constructor reads the header.

    Without `delimiter`, the header tells it. Raises UnreadableFile if the header is of no use.
    """

    def __init__(self, file: BinaryIO, *, name: str, limit: int, start: int = 0, delimiter: str = "") -> None:
        self._name = name
        self._limit = limit
        # The module's own limit, 128 KiB a cell, holds for the whole process: it is only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), limit))
        lines = read_lines(file, limit=limit, start=start)
        first = next((line for line in lines if line.raw.strip()), None)
        if first is None:
            raise UnreadableFile(f"{name}: the file is empty")
        if first.too_long:
            raise UnreadableFile(f"{name}, line {first.number}: the header is longer than {size(limit)}: is it CSV?")
        text, problem = decode(first.raw)
        if problem:
            raise UnreadableFile(f"{name}, line {first.number}: the header {problem}")
        self._feed = _Feed(chain([first], lines), limit=limit)
        self.delimiter = delimiter or _delimiter(text, name)
        self._reader = csv.reader(self._feed, delimiter=self.delimiter, strict=True)
        self.columns = self._header()

    def records(self) -> Iterator[Record]:
        """Yield a record for each row that is not blank; `where` is the row's first line."""
        for line, cells, problem in self._rows():
            where, default_id = f"line {line.number}", numbered_id(self._name, line.number)
            if not problem and len(cells) != len(self.columns):
                problem = (
                    f"has {len(cells)} cells where the header has {len(self.columns)} columns"
                    " (a cell with a delimiter in it needs quotation marks around it)"
                )
            if problem:
                yield Record(where, None, f"the row {problem}", excerpt(line.raw), default_id)
            else:
                fields = dict(zip(self.columns, cells, strict=True))
                yield Record(where, fields, default_id=default_id, size=self._feed.size)

    def _header(self) -> tuple[str, ...]:
        line, cells, problem = next(self._rows())  # there is one: its first line has been seen
        where = f"{self._name}, line {line.number}"
        if problem:
            raise UnreadableFile(f"{where}: the header {problem}")
        columns = tuple(cell.strip() for cell in cells)
        seen: set[str] = set()
        for place, column in enumerate(columns, start=1):
            if not column:
                raise UnreadableFile(f"{where}: column {place} has no name: name or remove it (pandas: index=False)")
            if column in seen:
                raise UnreadableFile(f'{where}: two columns are called "{printable(column)}": rename one of them')
            seen.add(column)
        return columns

    def _rows(self) -> Iterator[tuple[TextLine, list[str], str]]:
        """Yield the first line, the cells and the problem of each row."""
        while True:
            self._feed.start_row()
            cells: list[str] = []
            try:
                cells = next(self._reader)
                problem = self._feed.problem
            except StopIteration:
                return
            except _RowTooLong:
                self._feed.drain()
                problem = f"is longer than {size(self._limit)}"
            except csv.Error as error:
                problem = _UNCLOSED if "end of data" in str(error) else _STRAY
                self._feed.give_back()
            if (cells or problem) and self._feed.first is not None:
                yield self._feed.first, cells, problem


class _RowTooLong(Exception):  # it is no error but a row to step over
    pass


class _Feed:
    """Gives lines to csv.reader, and records the first line of the current row, and the bytes of its other lines."""

    def __init__(self, lines: Iterator[TextLine], *, limit: int) -> None:
        self._lines = lines
        self._limit = limit
        self._again, self._at = b"", 0  # lines given back, and how many bytes of them have been handed out again
        self._latest = TextLine(0, 0, b"", False)
        self._given_back = 0
        self.end = 0
        self.start_row()

    def start_row(self) -> None:
        self.first: TextLine | None = None
        self._record = bytearray()
        self.problem = ""

    @property
    def size(self) -> int:
        """Return the bytes of the current row."""
        return len(self._record) + (len(self.first.raw) if self.first else 0)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._next_line()
        if self.first is None:
            self.first = line
        else:
            self._record += line.raw
        if line.too_long or len(self.first.raw) + len(self._record) > self._limit:
            raise _RowTooLong
        text, problem = decode(line.raw)
        self.problem = self.problem or problem
        return text

    def _next_line(self) -> TextLine:
        if self._at < len(self._again):
            raw = _LINE.match(self._again, self._at)[0]  # type: ignore[index]  # it matches anywhere
            self._at += len(raw)
            line = TextLine(self._latest.number + 1, self._latest.end + len(raw), raw, False)
        else:
            line = next(self._lines)
            self._again, self._at = b"", 0
        self._latest = line
        self.end = max(self.end, line.end)
        return line

    def drain(self) -> None:
        """Skip the rest of a row that is too long, up to the line that closes its quotation mark."""
        if not self._record:
            return  # a single line; where it ends the row does too, as far as one can tell
        line: TextLine | None = self._latest
        while line is not None and b'"' not in line.raw.replace(b'""', b""):
            try:
                line = self._next_line()
            except StopIteration:
                line = None

    def give_back(self) -> None:
        """Return all lines of a broken row except the first, so that a stray quotation mark costs only its own line.

        The number of returned bytes is limited in proportion to the file, or a hostile file could cost quadratic time.
        """
        assert self.first is not None
        size = len(self._record)
        if self._given_back + size > self.end + 4 * self._limit:
            return
        self._given_back += size
        self._latest = self.first
        if self._at:  # the row was itself made of lines given back
            self._at -= size
        else:
            self._again = bytes(self._record)


def _delimiter(header: str, name: str) -> str:
    """Return the header's most frequent delimiter outside quotation marks; without any, that of the suffix."""
    bare = re.sub(r'"[^"]*"', "", header)
    usual = "\t" if form_suffix(name) == ".tsv" else ","
    return max([usual, ",", ";", "\t"], key=bare.count)


def _columns_of_numbers(table: CsvTable) -> tuple[str, ...]:
    """Return the columns, in order, in which most non-empty cells of the first rows are numbers."""
    rows = [record.fields for record in islice(table.records(), _SAMPLE) if record.fields]
    numeric = []
    for column in table.columns:
        filled = [cell for row in rows if (cell := row[column].strip())]
        if 2 * sum(number(cell) is not None for cell in filled) > len(filled):
            numeric.append(column)
    return tuple(numeric)
