"""Where the heavy work of the steps is done. Here: on this machine, by the worker itself.

Steps read rows, ask `compute` for arrays, and write rows. Another place to compute is another class with the same
methods: arrays, models and encoders go in and come out, never a row of the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from models_store.encoders import Encoder
from models_store.estimators import Learner
from models_store.learning import learn
from models_store.model import Model
from models_store.networks import Adaptive
from models_store.prediction import Prediction, predict
from models_store.training import Later, Trained, calibrate
from selector.joining import nearest
from selector.linkage import Dendrogram, average_linkage


class Local:
    """The worker's own process."""

    def encode(self, encoder: Encoder, raws: Sequence[Any]) -> np.ndarray:
        """(m, dim) features of raw items. Raises as `Encoder.encode`."""
        return encoder.encode(raws)

    def train(self, learner: type[Learner], **labeled: Any) -> Trained:
        """As `models_store.learning.learn`."""
        return learn(learner, **labeled)

    def calibrate(self, model: Model, later: Later, **labeled: Any) -> tuple[Adaptive, int]:
        """As `models_store.training.calibrate`."""
        return calibrate(model, later, **labeled)

    def train_in_private(self, **labeled: Any) -> Trained:
        """As `models_store.privacy.training.train_private`."""
        from models_store.privacy.training import (
            train_private,  # Opacus takes seconds to load, and few projects need it
        )

        return train_private(**labeled)

    def score(self, model: Model, features: np.ndarray, **asked: Any) -> Iterator[Prediction]:
        """What the model says of every row, part by part, as `models_store.prediction.predict`."""
        return predict(model, features, **asked)

    def dendrogram(self, embeddings: np.ndarray, *, progress: Callable[[str, float], None]) -> Dendrogram:
        """As `selector.linkage.average_linkage`."""
        return average_linkage(embeddings, progress=progress)

    def neighbours(self, new: np.ndarray, old: np.ndarray) -> np.ndarray:
        """(m,) the row of `old` that is nearest to each of `new`, as `selector.joining.nearest`."""
        return nearest(new, old)


compute = Local()
