"""The stored predictions of models that learned from uniform labels alone. Arrays only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labeling.storage.arrays.stored import check_form

MISSING = -1
LEAST_CONTROL = 50
"""The least number of labeled control items for an estimate: with fewer, the intervals would be too wide."""


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
