"""Read NumPy arrays with a vector in each row, and the truths of the rows from a second file."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from labeling.storage.disk import npy

from .base import DEFAULT_LIMITS, Record, Source, SourceFile, UnreadableFile, numbered_id
from .csv_file import CsvTable
from .lines import decode, read_lines, skip_mark

_BLOCK = 4 * 1024 * 1024  # bytes of vectors held at once

# A function from the number of rows to skip to the records of the second file, one for each row.
Companion = Callable[[int], Iterator[Record]]


class NpySource(Source):
    """A 2-D `.npy` array of numbers, (rows, length of the vector); read through a memory map, never a pickle."""

    def __init__(self, file: SourceFile) -> None:
        super().__init__(file)
        name, limits = file.name, file.limits
        self._vectors = load(file.path, name)
        shape = self._vectors.shape
        if self._vectors.ndim != 2 or self._vectors.dtype.kind not in "fiu":
            raise UnreadableFile(
                f"{name}: the array has shape {shape} and type {self._vectors.dtype}:"
                " save numbers in 2 dimensions, one row an item"
            )
        if 0 in shape:
            raise UnreadableFile(f"{name}: the array is empty, its shape is {shape}")
        if shape[1] > limits.vector_length:
            raise UnreadableFile(
                f"{name}: the vectors have {shape[1]:,} numbers, more than the {limits.vector_length:,} allowed"
            )
        self.total: int = shape[0]
        self._companion = None if file.truth_path is None else _companion(file.truth_path, rows=shape[0], beside=name)

    def _records(self, skip: int) -> Iterator[Record]:
        known = None if self._companion is None else self._companion(skip)
        block = max(1, _BLOCK // self._vectors[0].nbytes)
        for start in range(skip, self.total, block):
            for number, vector in enumerate(np.array(self._vectors[start : start + block]), start=start + 1):
                yield self._record(number, vector, None if known is None else next(known))

    def _record(self, number: int, vector: np.ndarray, known: Record | None) -> Record:
        where, default_id = f"row {number}", numbered_id(self.name, number)
        if known is None:
            return Record(where, {self.kind.name: vector}, default_id=default_id, size=vector.nbytes)
        if known.fields is None:
            problem = f"in the truth file, {known.where}: {known.problem}"
            return Record(where, None, problem, known.excerpt, default_id)
        return Record(where, {**known.fields, self.kind.name: vector}, default_id=default_id, size=vector.nbytes)


def load(path: Path, name: str) -> np.ndarray:
    """Return the array in a `.npy` file as a read-only memory map. Raises UnreadableFile; loads no pickle."""
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (*npy.NOT_A_HEADER, OverflowError) as error:
        problem = "is not an array of plain numbers, or is damaged: save it again with numpy.save"
        raise UnreadableFile(f"{name}: the file {problem}") from error


def _companion(path: Path, *, rows: int, beside: str) -> Companion:
    """Return the records of the truth file. Raises UnreadableFile if it does not fit the array."""
    name, suffix = path.name, path.suffix.lower()
    if suffix == ".npy":
        truths = load(path, name)
        if truths.ndim != 1 or truths.dtype.kind not in "biufUS":
            raise UnreadableFile(f"{name}: the truth of each row must be one number or text: save it in 1 dimension")
        count = len(truths)
        known: Companion = partial(_from_array, truths)
    elif suffix in (".csv", ".tsv", ".txt"):
        read = _from_lines if suffix == ".txt" else _from_table
        count = sum(1 for _ in read(path, 0))
        known = partial(read, path)
    else:
        raise UnreadableFile(f"{name}: the truth is read from a .npy, .csv or .txt file")
    if count != rows:
        raise UnreadableFile(f"{name}: there are {count:,} rows, but {beside} has {rows:,}: both must have as many")
    return known


def _from_array(truths: np.ndarray, skip: int) -> Iterator[Record]:
    for number, truth in enumerate(truths[skip:], start=skip + 1):
        value = truth.item()
        yield Record(
            f"row {number}", {"truth": value.decode("utf-8", "replace") if isinstance(value, bytes) else value}
        )


def _from_lines(path: Path, skip: int) -> Iterator[Record]:
    """Yield a truth for each line; an empty line stands for an unknown truth."""
    limit = DEFAULT_LIMITS.line
    with path.open("rb") as file:
        lines = read_lines(file, limit=limit, start=skip_mark(file, path.name))
        for line in islice(lines, skip, None):
            text, problem = decode(line.raw)
            problem = "the line is too long" if line.too_long else problem and f"the line {problem}"
            fields: dict[str, Any] | None = None if problem else {"truth": text.strip()}
            yield Record(f"line {line.number}", fields, problem)


def _from_table(path: Path, skip: int) -> Iterator[Record]:
    """Read a table with a row for each vector; a single column is the truth, whatever its name."""
    with path.open("rb") as file:
        start = skip_mark(file, path.name)
        table = CsvTable(file, name=path.name, limit=DEFAULT_LIMITS.line, start=start)
        single = len(table.columns) == 1
        if not single and not {"truth", "label", "class", "id", "external_id"}.intersection(table.columns):
            raise UnreadableFile(f'{path.name}: no column is called "truth": name it so in the header')
        for record in islice(table.records(), skip, None):
            if single and record.fields is not None:
                yield Record(record.where, {"truth": record.fields[table.columns[0]]})
            else:
                yield record
