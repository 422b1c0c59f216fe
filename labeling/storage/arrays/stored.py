"""Store a dataclass of arrays, numbers and texts as one small file, such as a map of the pool or a baseline."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from labeling.storage.disk.files import FileDamaged, FileMissing, reading, replacing
from labeling.storage.shared_files import read_whole, store
from models_store.encoders.base import NO_ARCHIVE

logger = logging.getLogger(__name__)

Stored = TypeVar("Stored")

MISSING = -1
LEAST_CONTROL = 50
"""The least number of labeled control items for an estimate: with fewer, the intervals would be too wide."""
REST, LABELED, CONTROL, PICKED = range(4)


@dataclass(frozen=True, slots=True)
class Baseline:
    """The predictions for n uniform items by models that learned from other uniform labels.

    rows (n,): the items' rows, ascending; labels (m,): the number of training labels of each size of model; said (m, n)
    int32: the predicted classes, `MISSING` where no model has predicted yet; folds: models of each size; done: models
    of all sizes whose predictions are in `said`; version: the newest version when the models were trained;
    labels_hash: the hash of the items' labels.
    """

    rows: np.ndarray
    labels: np.ndarray
    said: np.ndarray
    folds: int
    done: int
    version: int
    labels_hash: str

    def __post_init__(self) -> None:
        check_form("said", self.said, 2, len(self.labels))
        check_form("labels", self.labels, 1, len(self.said))
        check_form("rows", self.rows, 1, self.said.shape[1])


@dataclass(frozen=True, slots=True)
class PoolMap:
    """Items of a sample: places (n, 2) in [0, 1], kinds (n,) (REST, LABELED, CONTROL or PICKED), clusters (n,)."""

    places: np.ndarray
    kinds: np.ndarray
    clusters: np.ndarray

    def __post_init__(self) -> None:
        check_form("places", self.places, 2, len(self.kinds))
        check_form("kinds", self.kinds, 1, len(self.kinds))
        check_form("clusters", self.clusters, 1, len(self.kinds))


def save(path: Path, stored: Any) -> None:
    """Write the dataclass in one atomic step."""
    write_arrays(path, {field.name: getattr(stored, field.name) for field in fields(stored)})


def load(path: Path, kind: type[Stored]) -> Stored | None:
    """Return the stored dataclass; None if it is missing or damaged, since a later step writes it again."""
    try:
        return read_stored(path, kind)
    except FileMissing:
        return None
    except FileDamaged as damage:
        logger.warning("%s", damage)
        return None


def read_stored(path: Path, kind: type[Stored]) -> Stored:
    """Return the stored dataclass `kind`. Raises `FileMissing` or `FileDamaged`."""
    values = read_whole(path, lambda here: read_arrays(here, [field.name for field in fields(kind)]))  # type: ignore[arg-type]
    try:
        return kind(**{name: value if value.ndim else value.item() for name, value in values.items()})
    except (ValueError, TypeError) as error:  # from the dataclass, which checks that its arrays fit together
        raise FileDamaged(path, str(error)) from error


def check_form(name: str, array: np.ndarray, dimensions: int, length: int) -> None:
    """Raise ValueError unless the array has this number of dimensions and its first has this length."""
    if array.ndim != dimensions or len(array) != length:
        raise ValueError(f"its array “{name}” has the shape {array.shape}")


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write an archive of arrays, for `read_arrays`, in one atomic step."""
    with replacing(path) as file:
        np.savez(file, **arrays)
    store().publish(path)


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the archive's arrays of these names. zipfile checks the sum of each array.

    Raises `FileMissing` or `FileDamaged`.
    """
    with reading(path) as file:
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in names}
        except OSError:
            raise
        except NO_ARCHIVE as error:
            raise FileDamaged(path, f"it is no archive of arrays ({error})") from error
