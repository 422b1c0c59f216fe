"""What is on file of the models that learned from uniform labels alone. Arrays and one small file; no network."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labeling.disk import replace_file

MISSING = -1
LEAST_CONTROL = 50
"""Control items with a label, below which nothing is estimated: intervals would hold everything."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What models that learned from uniform labels alone take n uniform items to be, none of which they learned from.

    rows (n,), ascending; labels (m,): that the models of each size learned from; said (m, n) int32, `MISSING` where no
    model has answered yet; folds: models of each size; done: models of all sizes that have answered; version: the
    newest when it was made; labels_hash: of the items.
    """

    rows: np.ndarray
    labels: np.ndarray
    said: np.ndarray
    folds: int
    done: int
    version: int
    labels_hash: str


def save_baseline(path: Path, baseline: Baseline) -> None:
    """Write it in one step."""
    buffer = io.BytesIO()
    np.savez(buffer, **{name: getattr(baseline, name) for name in Baseline.__dataclass_fields__})
    replace_file(path, buffer.getbuffer())


def load_baseline(path: Path) -> Baseline | None:
    """The baseline, or None if there is none, or none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Baseline(
                rows=arrays["rows"],
                labels=arrays["labels"],
                said=arrays["said"],
                folds=int(arrays["folds"]),
                done=int(arrays["done"]),
                version=int(arrays["version"]),
                labels_hash=str(arrays["labels_hash"]),
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
