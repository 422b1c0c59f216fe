"""Read the results of prediction runs, and remove them after some days. No torch."""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import orjson

from labeling.models import PredictionRun
from labeling.outgoing.formats import Page
from labeling.outgoing.predictions.shape import RowShape
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileDamaged, reading
from labeling.storage.shared_files import read_whole, store

# A page ends after this number of rows or of bytes, whichever comes first.
PAGE = 500
PAGE_BYTES = 4 << 20


def shape_of(run: PredictionRun) -> RowShape:
    """Return the shape of the result's rows. Raises `FileDamaged` or `FileMissing`."""
    first = next(pages(run, most=1), None)
    return RowShape(run.project.asks, tuple(first[0]["probabilities"]) if first and run.probabilities else ())


def pages(run: PredictionRun, *, most: int | None = None) -> Iterator[Page]:
    """Yield the rows recorded so far, at most `most`. Raises `FileMissing`, or `FileDamaged` if the result was
    changed.
    """
    path = read_whole(ProjectFiles(run.project).owned(run), lambda here: _as_long(here, run.size))
    with reading(path) as file:
        page: Page = []
        weight = 0
        for line in islice(_lines(file, run.size), most):
            try:
                page.append(orjson.loads(line))
            except orjson.JSONDecodeError as error:
                raise FileDamaged(path, "it has a line that is no row") from error
            weight += len(line)
            if len(page) == PAGE or weight >= PAGE_BYTES:
                yield page
                page, weight = [], 0
        if page:
            yield page


def _as_long(path: Path, size: int) -> Path:
    """Return the path, if its file has at least `size` bytes. Raises `FileMissing` or `FileDamaged` otherwise."""
    with reading(path) as file:
        length = file.seek(0, io.SEEK_END)
    if length < size:
        raise FileDamaged(path, f"it has {length:,} bytes, and not {size:,}")
    return path


def _lines(file: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield the lines within the first `size` bytes: a killed attempt may have left bytes after them."""
    for line in file:
        size -= len(line)
        if size < 0:
            return
        yield line


def remove(run: PredictionRun) -> None:
    """Remove the run with its result. A worker that carries out the run notices the removal, and stops."""
    store().remove(ProjectFiles(run.project).owned(run))
    run.delete()


def remove_expired(now: datetime.datetime) -> None:
    """Remove the expired runs."""
    for run in PredictionRun.objects.expired(now).select_related("project"):
        remove(run)
