"""What is stored of the models that learned from uniform labels alone. Arrays only; no network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
