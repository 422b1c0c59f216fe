"""A pool of items, and what the newest model predicts of them.

Labels and predictions are the keys of `benchmarks.finishing.answers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.efficiency.datasets import Source
from benchmarks.finishing.answers import AnswerKind, of_labels
from labeling.finishing.certifying.corrected_probabilities import NOTHING, Checked


@dataclass(frozen=True, eq=False)
class Pool:
    """All items of a data set: test items are not left out, since all items need a label."""

    features: np.ndarray
    truth: NDArray[np.int64]
    kind: AnswerKind
    input_shape: tuple[int, ...]

    @classmethod
    def of(cls, source: Source, seed: int) -> Pool:
        data = source.load(seed)
        features, truth = data.features, data.labels
        if source.is_split and source.pool is None:
            features = np.concatenate([features, data.test_features])
            truth = np.concatenate([truth, data.test_labels])
        kind, keys = of_labels(truth, data.n_classes)
        return cls(features, keys, kind, data.input_shape)

    def __len__(self) -> int:
        return len(self.truth)

    def only(self, rows: NDArray[np.int64]) -> Pool:
        """Return the pool of these items."""
        return replace(self, features=self.features[rows], truth=self.truth[rows])


@dataclass(eq=False)
class Predictions:
    """The newest model's arrays over the pool. `confidence` is `uncorrected`, corrected by experience."""

    best: NDArray[np.int64]
    confidence: NDArray[np.float64]
    uncorrected: NDArray[np.float64]
    margins: np.ndarray
    embeddings: np.ndarray


@dataclass(frozen=True, eq=False)
class Compared:
    """Predictions of items from which the model had not learned, beside people's labels. wrong : (m, classes) bool, the
    classes about which a prediction is wrong.
    """

    checked: Checked
    wrong: NDArray[np.bool_]


def joined(parts: Sequence[Checked]) -> Checked:
    """Return all of these as one."""
    if not parts:
        return NOTHING
    return Checked(
        *(np.concatenate([np.broadcast_to(getattr(part, each.name), part.sure.shape) for part in parts])
          for each in fields(Checked))
    )  # fmt: skip
