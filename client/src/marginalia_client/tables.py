"""Files of rows: labels, dataset versions, predictions."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from .bars import bar
from .errors import MissingPackage
from .running import Awaiting, Blocking, C, Part, call, each
from .steps import Connection, Pages, Steps

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

PAGE = 1000
"""Rows that are read from a file at once."""
LONG_ENDINGS = (
    "croissant.zip",
    "doccano.jsonl",
    "huggingface.zip",
    "imagefolder.zip",
    "label-studio.zip",
    "webdataset.zip",
)
"""The endings of names that begin with the name of a format. Other formats have the name of their ending."""


class Table(Part[C]):
    """Rows that the server sends as a file. Iterate over it to read them as dictionaries."""

    def __init__(self, connection: C, path: str, params: Mapping[str, Any]) -> None:
        super().__init__(connection)
        self._path = path
        self._params = dict(params)

    def __iter__(self: Table[Blocking]) -> Iterator[dict[str, Any]]:
        return self.rows()

    def __aiter__(self: Table[Awaiting]) -> AsyncIterator[dict[str, Any]]:
        return self.rows()

    @each
    def rows(self) -> Pages[dict[str, Any]]:
        """Yield the rows as dictionaries. A temporary file holds them meanwhile. Raises `Refused`, `ServerAway`."""
        with tempfile.TemporaryFile() as file:
            yield from self._connection.download(self._path, {**self._params, "format": "jsonl"}, file)
            file.seek(0)
            while lines := file.readlines(PAGE * 1000):
                yield [json.loads(line) for line in lines]

    @call
    def save(self, to: str | Path, *, format: str = "", progress: bool = False) -> Steps[Path]:
        """Write the rows to a file in a format of the server, by default that of the ending of the file's name, such as
        `.parquet` or `.huggingface.zip`. Returns its path.

        The file appears when it is complete. Raises `OSError`, `Refused` for an unknown format, and `ServerAway`.
        """
        to = Path(to)
        params = {**self._params, "format": format or format_of(to.name)}
        return (yield from save(self._connection, self._path, params, to, progress=progress))

    @call
    def to_arrow(self) -> Steps[pa.Table]:
        """Return the rows as a `pyarrow.Table`. Raises `MissingPackage`, `Refused` and `ServerAway`."""
        return (yield from self._arrow())

    @call
    def to_pandas(self) -> Steps[pd.DataFrame]:
        """Return the rows as a `pandas.DataFrame`. Raises `MissingPackage`, `Refused` and `ServerAway`."""
        try:
            import pandas  # noqa: F401
        except ImportError:
            raise MissingPackage("This needs pandas and pyarrow: pip install pandas pyarrow.") from None
        return cast("pd.DataFrame", (yield from self._arrow()).to_pandas())

    def _arrow(self) -> Steps[pa.Table]:
        try:
            from pyarrow import parquet
        except ImportError:
            raise MissingPackage("This needs pyarrow: pip install pyarrow.") from None
        with tempfile.TemporaryFile() as file:
            yield from self._connection.download(self._path, {**self._params, "format": "parquet"}, file)
            return parquet.read_table(file)


def format_of(name: str) -> str:
    """Return the format that the ending of a file's name stands for, which the server may not know.

    >>> format_of("labels.parquet"), format_of("Labels.HuggingFace.zip"), format_of("labels.2.zip")
    ('parquet', 'huggingface', 'zip')
    """
    name = name.lower()
    long = next((ending for ending in LONG_ENDINGS if name.endswith(f".{ending}")), "")
    return long.partition(".")[0] or Path(name).suffix.lstrip(".")


def save(connection: Connection, path: str, params: Mapping[str, Any], to: Path, *, progress: bool) -> Steps[Path]:
    """Write a file of the API to the disk, under its name when it is complete."""
    part = to.with_name(f"{to.name}.part")
    try:
        with part.open("wb") as file, _counted(file, progress) as into:
            yield from connection.download(path, params, into)
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)
    return to


@contextmanager
def _counted(file: BinaryIO, progress: bool) -> Iterator[BinaryIO]:
    """Yield the file, or one that also advances a progress bar."""
    if not progress:
        yield file
        return
    with bar(True, "B", of_bytes=True) as advance:
        yield cast(BinaryIO, _Counted(file, advance))


class _Counted:
    def __init__(self, file: BinaryIO, advance: Any) -> None:
        self._file = file
        self._advance = advance
        self.seek, self.truncate = file.seek, file.truncate

    def write(self, data: bytes) -> int:
        self._advance(len(data))
        return self._file.write(data)
