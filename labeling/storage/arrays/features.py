"""A project's features: a growing matrix with a row for each encoded item, and its checksums in the database.

Readers bring only the rows that they index from the shared store.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from labeling.models import FeatureSum, Project
from labeling.storage.disk.files import FileDamaged, FileMissing, reading, replace_file
from labeling.storage.shared_files import store

HASH_BLOCK_BYTES = 1 << 24
# Rows are fetched in blocks of this size: a request to an object store takes as long as thousands of rows.
BROUGHT_ROWS = 4096
# Features without a sum are checked in parts of this many rows.
PART = 8192


class RowSum(NamedTuple):
    """The CRC-32 of the rows from `start` to before `stop`; None for rows written by a release without sums."""

    start: int
    stop: int
    crc32: int | None

    @classmethod
    def of(cls, start: int, block: np.ndarray) -> RowSum:
        """Return the sum of a block of rows from `start` on."""
        return cls(start, start + len(block), zlib.crc32(np.ascontiguousarray(block).data))


class Checked(NamedTuple):
    """The `damaged` parts of the features, the computed sums of parts without one, and the sha256 (hex) of all rows."""

    damaged: list[RowSum]
    found: list[RowSum]
    sha256: str


class Features:
    """A project's features (rows, dim), which fetch only the indexed rows from the shared store."""

    def __init__(self, path: Path, shape: tuple[int, int], dtype: np.dtype) -> None:
        self._path, self._shape, self._dtype = path, shape, dtype

    def __len__(self) -> int:
        return self._shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Return the rows of a slice as a read-only memory map, or a copy of the rows with these numbers."""
        spans = self._spans(rows)
        if not spans:
            return np.empty((0, self._shape[1]), self._dtype)
        return self._brought(spans)[rows]

    def _brought(self, spans: Sequence[tuple[int, int]]) -> np.ndarray:
        """Return a read-only memory map with the rows of these spans. Raises `FileDamaged` if some are missing."""
        row_bytes = self._shape[1] * self._dtype.itemsize
        try:
            for start, stop in spans:
                store().bring_rows(self._path, row_bytes=row_bytes, start=start, stop=stop)
        except FileNotFoundError as error:
            raise FileMissing(self._path, f"rows are missing ({error})") from error
        rows = max(stop for _, stop in spans)
        with reading(self._path) as file:
            length = file.seek(0, os.SEEK_END)
            if length < rows * row_bytes:
                problem = f"it has {length:,} bytes, and not {rows * row_bytes:,} for {rows:,} rows"
                raise FileDamaged(self._path, problem)
            return np.memmap(file, self._dtype, "r", shape=(rows, self._shape[1]))

    def check(self, sums: Sequence[RowSum]) -> Checked:
        """Compare all rows with these sums, which cover them in order. Takes O(n) time and little memory.

        A damaged local copy of a stored file is copied again and checked again.
        """
        checked = self._check_once(sums)
        return self._check_once(sums) if checked.damaged and store().drop_copy(self._path) else checked

    def _check_once(self, sums: Sequence[RowSum]) -> Checked:
        try:
            rows: Any = self[:]
        except FileDamaged:
            rows = self  # the loop below finds the damaged parts
        damaged, found, digest = [], [], hashlib.sha256()
        step = max(1, HASH_BLOCK_BYTES // max(1, self._shape[1] * self._dtype.itemsize))
        for each in sums:
            crc32 = 0
            try:
                for start in range(each.start, each.stop, step):
                    block = np.ascontiguousarray(rows[start : min(start + step, each.stop)]).data
                    crc32 = zlib.crc32(block, crc32)
                    digest.update(block)
            except FileDamaged:
                damaged.append(each)
                continue
            if each.crc32 is None:
                found.append(each._replace(crc32=crc32))
            elif each.crc32 != crc32:
                damaged.append(each)
        return Checked(damaged, found, digest.hexdigest())

    def damage(self, damaged: Sequence[RowSum]) -> FileDamaged:
        """Return the error that names these damaged parts; the caller raises it."""
        if not self._path.is_file():
            return FileMissing(self._path)
        parts = ", ".join(f"{each.start:,} to {each.stop:,}" for each in damaged[:3])
        more = f" and {len(damaged) - 3:,} more parts" if len(damaged) > 3 else ""
        return FileDamaged(self._path, f"the rows {parts}{more} are missing or do not match their sums")

    def _spans(self, rows: slice | np.ndarray) -> list[tuple[int, int]]:
        """Return the spans [start, stop) to fetch for these rows, in blocks of `BROUGHT_ROWS` for row numbers."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return [(start, stop)] if start < stop else []
        parts = np.unique(rows // BROUGHT_ROWS)
        runs = np.split(parts, np.flatnonzero(np.diff(parts) > 1) + 1) if len(parts) else []
        return [(int(run[0]) * BROUGHT_ROWS, min(len(self), (int(run[-1]) + 1) * BROUGHT_ROWS)) for run in runs]


def shape_of(features: Path) -> Path:
    """Return the path of the file with the length and dtype of a row."""
    return features.with_suffix(".json")


def append_rows(path: Path, *, rows_before: int, block: np.ndarray) -> None:
    """Write `block` (m, dim) behind the first `rows_before` rows, over any rows that a killed attempt left there.

    Raises `FileMissing` or `FileDamaged` if some of the first `rows_before` rows are missing.
    """
    if not store().exists(shape_of(path)):
        write_shape(path, dim=block.shape[1], dtype=block.dtype)
    try:
        store().append(path, rows_before=rows_before, block=block)
    except FileMissing:
        raise
    except FileNotFoundError as error:
        raise FileMissing(path, f"rows are missing ({error})") from error


def write_shape(features: Path, *, dim: int, dtype: np.dtype) -> None:
    """Write the length and dtype of a row of the features to a file beside them."""
    shape = shape_of(features)
    replace_file(shape, orjson.dumps({"dim": dim, "dtype": dtype.str}))
    store().publish(shape)


def rewrite_rows(path: Path, *, start: int, block: np.ndarray) -> None:
    """Replace the damaged or missing rows from `start` on by `block` (m, dim)."""
    content = np.ascontiguousarray(block)
    store().rewrite(path, start=start * content[:1].nbytes, content=content.tobytes())


def sums_of(project: Project, generation: int | None = None) -> list[RowSum]:
    """Return the sums of a generation of features, by default the present one, up to `encoded_rows`, in order."""
    return list(_covering(project, generation or project.features_generation))


def _covering(project: Project, generation: int) -> Iterator[RowSum]:
    at, end = 0, project.encoded_rows
    known = FeatureSum.objects.filter(project=project, generation=generation).order_by("start")
    for start, rows, crc32 in known.values_list("start", "rows", "crc32").iterator():
        if start < at or start + rows > end:  # of rows behind `encoded_rows`, or covered already
            continue
        yield from _without_sum(at, start)
        yield RowSum(start, start + rows, crc32)
        at = start + rows
    yield from _without_sum(at, end)


def _without_sum(start: int, stop: int) -> Iterator[RowSum]:
    for first in range(start, stop, PART):
        yield RowSum(first, min(first + PART, stop), None)


def store_sums(project: Project, generation: int, sums: Iterable[RowSum]) -> None:
    """Write the sums that have a CRC-32, over earlier sums with the same start. Call in a transaction."""
    FeatureSum.objects.bulk_create(
        [
            FeatureSum(project=project, generation=generation, start=start, rows=stop - start, crc32=crc32)
            for start, stop, crc32 in sums
            if crc32 is not None
        ],
        batch_size=500,
        update_conflicts=True,
        unique_fields=["project", "generation", "start"],
        update_fields=["rows", "crc32"],
    )
