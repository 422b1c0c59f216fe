"""The first sheet of an .xlsx workbook as CSV.

Run as a script, in a process of its own and of limited memory, because a small workbook can unpack to gigabytes:

    python xlsx_rows.py PATH COLUMNS RATIO     prints the number of the header's row, then this row and all below as CSV

Cells are texts, as in a CSV file. A formula has the value that the spreadsheet program has stored: none is evaluated.
With the exit status PROBLEM the workbook is refused, for the reason on the standard error.
"""

import csv
import datetime
import io
import resource
import sys
import warnings
import zipfile
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import Any

import openpyxl

PROBLEM = 3
_MIB = 1024 * 1024
_MEMORY_BYTES = 1024 * _MIB
_UNPACKED_BYTES = 1024 * _MIB
_ROWS = 1_048_576  # as many as a sheet of Excel has
_SAMPLE = 1000  # rows that tell which columns hold times of day


class _Refused(Exception):
    """The workbook is refused; the message ends the sentence "book.xlsx: …"."""


def _check_unpacked_size(path: str, ratio: int) -> None:
    """Raise `_Refused` if the workbook would unpack to far more than its size."""
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    unpacked, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    if unpacked > min(_UNPACKED_BYTES, max(64 * _MIB, ratio * packed)):
        raise _Refused("the workbook would unpack to far more than its size: save the sheet as CSV")


def _rows(path: str, most_columns: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows from the header to the last one with a cell, with their numbers, at least as wide as it."""
    book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    sheet = book.worksheets[0]
    sheet.reset_dimensions()  # a file can claim any size
    header, width = 0, 0
    for header, row in enumerate(sheet.iter_rows(max_col=most_columns + 1, values_only=True), start=1):
        cells = _texts(row, ())
        width = len(cells)
        if width > most_columns:
            raise _Refused(f"the sheet has more than {most_columns:,} columns: leave some out")
        if width:
            yield header, cells
            break
        if header > _ROWS:
            raise _Refused("the sheet is empty")
    if not width:
        raise _Refused("the first sheet is empty")
    last = header
    below = sheet.iter_rows(min_row=header + 1, max_col=width + 1, values_only=True)
    sample = list(islice(below, _SAMPLE))
    timed = {at for row in sample for at, value in enumerate(row) if _has_time(value)}
    for number, row in enumerate(chain(sample, below), start=header + 1):
        if number > _ROWS:
            raise _Refused(f"the sheet has more than {_ROWS:,} rows: split it")
        if cells := _texts(row, timed):
            for blank in range(last + 1, number):
                yield blank, [""] * width
            yield number, cells + [""] * (width - len(cells))
            last = number


def _has_time(value: Any) -> bool:
    return isinstance(value, datetime.datetime) and value.time() != datetime.time()


def _texts(row: Sequence[Any], timed: Container[int]) -> list[str]:
    """Return the cells as texts, up to the last one that is not empty. Columns that are `timed` keep midnights."""
    cells = [_text(value, is_timed=at in timed) for at, value in enumerate(row)]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _text(value: Any, *, is_timed: bool) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime.datetime() if not is_timed and not _has_time(value):
            return value.date().isoformat()
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
    return str(value)


def main(path: str, most_columns: int, ratio: int) -> None:
    warnings.simplefilter("ignore")  # of what openpyxl leaves out, such as charts
    _check_unpacked_size(path, ratio)
    out = io.TextIOWrapper(sys.stdout.buffer, "utf-8", errors="surrogatepass", newline="", write_through=False)
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for at, (number, cells) in enumerate(_rows(path, most_columns)):
        if not at:
            out.write(f"{number}\n")
        writer.writerow(cells)
    out.flush()


if __name__ == "__main__":
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    try:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    except _Refused as refused:
        sys.stderr.write(str(refused))
        sys.exit(PROBLEM)
