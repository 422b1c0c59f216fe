"""Excel's .xlsx workbooks: the first sheet, a header and then a row an item. A process of its own unpacks the file."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from labeling.kinds.wording import printable

from .base import Record, UnreadableFile, numbered_id
from .csv_file import CsvSource, CsvTable
from .lines import count_bytes

_SCRIPT = Path(__file__).with_name("xlsx_rows.py")
_DAMAGED = "the file is not an .xlsx workbook or is damaged: save it again, or save it as CSV"
_PROBLEM = 3  # the script's status for a workbook that it refuses


class XlsxSource(CsvSource):
    """The first sheet of a workbook. Cells are texts, as in a CSV file."""

    @property
    def estimate(self) -> int:
        with self._open() as file:
            return count_bytes(file, self.per_row) + 1

    def _records(self, skip: int) -> Iterator[Record]:
        with self._open() as file:
            below = enumerate(self._table(file).records(), start=self._header + 1)
            filled = (pair for pair in below if pair[1].fields is None or any(pair[1].fields.values()))
            for number, record in islice(filled, skip, None):
                yield record._replace(where=f"row {number}", default_id=numbered_id(self.name, number))

    def _table(self, file: BinaryIO) -> CsvTable:
        return CsvTable(file, name=self.name, limit=self.file.row_limit, delimiter=",")

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        command = [sys.executable, "-I", str(_SCRIPT), str(self.path.absolute())]
        limits = [str(self.limits.columns), str(self.limits.unpack_ratio)]
        with subprocess.Popen(  # noqa: S603  a fixed command
            [*command, *limits], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            try:
                first = child.stdout.readline(20)
                if not first:
                    raise self._refused(child)
                self._header = int(first)
                yield cast(BinaryIO, child.stdout)
                if not child.stdout.read(1) and child.wait():
                    raise self._refused(child)
            finally:
                child.kill()

    def _refused(self, child: subprocess.Popen[bytes]) -> UnreadableFile:
        assert child.stderr is not None
        reason = child.stderr.read(1 << 12).decode(errors="replace") if child.wait() == _PROBLEM else ""
        return UnreadableFile(f"{self.name}: {printable(reason) or _DAMAGED}")
