"""Predictions as arrays in an .npz file."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from labeling.intake.prediction_files.base import Block, Expected, PredictionFile
from labeling.intake.readers import UnreadableFile
from labeling.kinds.wording import excerpt
from labeling.storage.disk import npy

NAMES = ("ids", "probabilities", "classes", "margins", "embeddings")
MOST_ENTRY_BYTES = 1 << 13
"""The most bytes of an id or of a class's name."""
MOST_BY_COLUMN = 1 << 28
"""The most bytes of an array that is not saved row by row: all of it is in memory."""
DAMAGE = (*npy.NOT_A_HEADER, zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, RuntimeError)


class ArraysFile(PredictionFile):
    """Arrays by numpy.savez: `ids`; `probabilities` and `classes`, or `margins`; perhaps `embeddings`."""

    def __init__(self, path: Path, name: str, expected: Expected) -> None:
        super().__init__(name, expected)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise UnreadableFile(f"{name}: this is no .npz file: write it with numpy.savez.") from error
        try:
            self._look()
        except BaseException:
            self._zip.close()
            raise

    def _look(self) -> None:
        """Read the headers of all arrays, and check that they fit together."""
        name, expected = self.name, self.expected
        there = {each.removesuffix(".npy") for each in self._zip.namelist()}
        if unknown := sorted(there.difference(NAMES)):
            known = ", ".join(NAMES)
            raise UnreadableFile(f"{name}: the array “{excerpt(unknown[0])}” is not known: there may be {known}.")
        self.margins_only = "probabilities" not in there
        scores = "margins" if self.margins_only else "probabilities"
        for needed in ("ids", scores):
            if needed not in there:
                raise UnreadableFile(f"{name}: the array “{needed}” is missing: add it to numpy.savez.")
        ids = self._open("ids", "USiu", dims=(1,))
        self._rows = ids.shape[0]
        if not self._rows:
            raise UnreadableFile(f"{name}: the array “ids” is empty.")
        if self._rows > expected.rows:
            raise UnreadableFile(f"{name}: there are {self._rows:,} ids, but the project has {expected.rows:,} items.")
        self._arrays = {"ids": ids, scores: self._open(scores, "f", dims=(1, 2))}
        if "embeddings" in there:
            self._arrays["embeddings"] = self._open("embeddings", "fiu", dims=(2,))
        for each, array in self._arrays.items():
            if array.shape[0] != self._rows:
                raise UnreadableFile(
                    f"{name}: “{each}” has {array.shape[0]:,} rows, and “ids” {self._rows:,}: both must have as many."
                )
        self.dim = self._arrays["embeddings"].width if "embeddings" in there else 0
        self.check_dim()
        width = self._arrays[scores].width
        self._to: list[int] | None = None
        if self.margins_only or expected.proposes:
            if width != 1:
                raise UnreadableFile(f"{name}: “{scores}” must have one number for each item, not {width:,}.")
        else:
            if width > expected.n_classes:
                classes = f"{expected.n_classes:,} classes"
                raise UnreadableFile(f"{name}: “{scores}” has {width:,} columns, and the project has {classes}.")
            if "classes" not in there:
                raise UnreadableFile(
                    f"{name}: the array “classes” is missing: it names the columns of “probabilities”."
                )
            self._to = self._places(self._class_names(width))
        self.columns = 2 if self.margins_only else expected.columns

    def _class_names(self, width: int) -> list[str]:
        header = self._open("classes", "US", dims=(1,))
        if header.shape[0] != width:
            raise UnreadableFile(
                f"{self.name}: “probabilities” has {width:,} columns, and “classes” {header.shape[0]:,} names."
            )
        try:
            return _texts(header.read(width))
        except DAMAGE as error:
            raise UnreadableFile(f"{self.name}: the array “classes” is damaged: write the file again.") from error

    def _open(self, array: str, kinds: str, *, dims: Sequence[int]) -> _Stored:
        try:
            return _Stored(self._zip.open(f"{array}.npy"), kinds, dims)
        except ValueError as error:
            raise UnreadableFile(f"{self.name}: the array “{array}” {error}.") from error
        except (KeyError, *DAMAGE) as error:
            raise UnreadableFile(f"{self.name}: the array “{array}” is damaged: write the file again.") from error

    def _blocks(self) -> Iterator[Block]:
        width = sum(array.row_bytes for array in self._arrays.values())
        step = self.rows_at_once(width)
        scores = "margins" if self.margins_only else "probabilities"
        for start in range(0, self._rows, step):
            m = min(step, self._rows - start)
            try:
                parts = {name: array.read(m) for name, array in self._arrays.items()}
            except DAMAGE as error:
                raise UnreadableFile(f"{self.name}, row {start + 1}: the file is damaged: write it again.") from error
            read = parts[scores].reshape(m, -1).astype(np.float32)
            if self._to is not None:
                placed = np.zeros((m, self.columns), np.float32)
                placed[:, self._to] = read
                read = placed
            embeddings = parts.get("embeddings", np.empty((m, 0))).astype(np.float32)
            yield Block(start, _texts(parts["ids"]), read, embeddings)

    def close(self) -> None:
        self._zip.close()


class _Stored:
    """An array in a zip, read row by row. Raises ValueError with the problem if it is of another type or form."""

    def __init__(self, file: IO[bytes], kinds: str, dims: Sequence[int]) -> None:
        self._file = file
        try:
            self.shape, fortran, self._dtype = npy.read_header(file)
        except npy.NOT_A_HEADER as error:
            raise zipfile.BadZipFile from error
        if self._dtype.hasobject or self._dtype.kind not in kinds:
            names = {"U": "texts", "S": "texts", "f": "floating-point numbers", "i": "whole numbers", "u": ""}
            wanted = " or ".join(dict.fromkeys(names[kind] for kind in kinds if names[kind]))
            raise ValueError(f"is of the type {self._dtype}: save {wanted}")
        if self._dtype.itemsize > MOST_ENTRY_BYTES:
            raise ValueError(f"has room for texts of {self._dtype.itemsize:,} bytes: save shorter ones")
        if len(self.shape) not in dims:
            raise ValueError(f"has the shape {self.shape}: save {' or '.join(map(str, dims))} dimensions")
        self.width = int(np.prod(self.shape[1:], dtype=np.int64))
        self.row_bytes = self.width * self._dtype.itemsize
        if fortran and len(self.shape) > 1:
            self._file = self._by_row()

    def _by_row(self) -> IO[bytes]:
        """Return an array that was saved column by column, as numpy does after some selections, row by row."""
        size = self.shape[0] * self.row_bytes
        if size > MOST_BY_COLUMN:
            raise ValueError("is in Fortran order: save numpy.ascontiguousarray of it")
        raw = self._file.read(size)
        if len(raw) != size:
            raise zipfile.BadZipFile
        return io.BytesIO(np.frombuffer(raw, self._dtype).reshape(self.shape, order="F").tobytes())

    def read(self, rows: int) -> np.ndarray:
        """Return the next rows. Raises `BadZipFile` if some are missing."""
        raw = self._file.read(rows * self.row_bytes)
        if len(raw) != rows * self.row_bytes:
            raise zipfile.BadZipFile
        return np.frombuffer(raw, self._dtype).reshape(rows, *self.shape[1:])


def _texts(values: np.ndarray) -> list[str]:
    if values.dtype.kind == "S":
        return [each.decode("utf-8", "replace") for each in values.tolist()]
    return [str(each) for each in values.tolist()]
