"""The form of each array that has a row for each row of the pool. Every reader checks it, and the number of rows, here.

The bytes of a file can be whole, and the file still be of another moment than the database, as after half a restore
from a backup. Such a file is damaged: steps rebuild it, and pages do without it.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from labeling.storage.disk.files import FileDamaged

FLOAT, INTEGER = "f", "i"
WORDS = {FLOAT: "floating-point numbers", INTEGER: "whole numbers"}


class Form(NamedTuple):
    """The kind of an array's dtype, and its dimensions."""

    kind: str
    dimensions: int


FORMS = {
    "margins": Form(FLOAT, 1),
    "best": Form(INTEGER, 1),
    "confidence": Form(FLOAT, 1),
    "chosen": Form(INTEGER, 2),
    "sureness": Form(FLOAT, 1),
    "entropies": Form(FLOAT, 1),
    "errors": Form(FLOAT, 2),
    "likely": Form(INTEGER, 2),
    "embeddings": Form(FLOAT, 2),
}
"""By the name of the array: those that a version stores of the pool."""
JOINS = Form(INTEGER, 1)
HANDED_IN = Form(FLOAT, 2)


def fitted(
    path: Path, array: np.ndarray, form: Form, *, rows: int | None = None, width: int | None = None
) -> np.ndarray:
    """Return the first `rows` rows of the array in the file at `path`, or all of them.

    Raises `FileDamaged` if it has fewer rows, if its rows do not have `width` numbers, or if it has another form.
    """
    if array.dtype.kind != form.kind or array.ndim != form.dimensions:
        problem = f"it has the shape {array.shape} and the type {array.dtype}, and not {form.dimensions} "
        raise FileDamaged(path, f"{problem}dimension{'s' * (form.dimensions > 1)} of {WORDS[form.kind]}")
    if width is not None and array.shape[1] != width:
        raise FileDamaged(path, f"its rows have {array.shape[1]:,} numbers, and not {width:,}")
    if rows is not None and len(array) < rows:
        raise FileDamaged(path, f"it has {len(array):,} rows, and not {rows:,}")
    return array[:rows]
