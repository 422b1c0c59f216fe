"""A trained network and the question that it answers: the result of a training, the content of an artifact."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models_store import questions
from models_store.networks.calibration import Adaptive
from models_store.questions import Question


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network, in evaluation mode."""

    question: str
    n_classes: int
    input_shape: tuple[int, ...]
    network: nn.Module
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """The manifest of the artifact that it was loaded from; empty before it was saved."""
    calibration: Adaptive | None = None
    """The calibration that was fitted after it was saved. It changes confidences and probabilities, but neither answers
    nor margins nor other numbers that batches are picked by."""

    @property
    def asks(self) -> Question:
        """The question of that name."""
        return questions.named(self.question)


def check_features(features: np.ndarray, input_shape: tuple[int, ...]) -> None:
    """Check that `features` is (n, product of `input_shape`) of uint8 or floats. Raises ValueError otherwise."""
    dim = math.prod(input_shape)
    if features.ndim != 2 or features.shape[1] != dim:
        raise ValueError(f"features have the shape {features.shape}, expected (n, {dim})")
    if features.dtype != np.uint8 and not np.issubdtype(features.dtype, np.floating):
        raise ValueError(f"features are uint8 or floats, not {features.dtype}")


def as_input(features: np.ndarray, rows: slice | np.ndarray, input_shape: tuple[int, ...]) -> Tensor:
    """Return a copy of the rows as a network takes them, (m, *input_shape): uint8 as it is, floats as float32."""
    taken = np.array(features[rows])
    if taken.dtype != np.uint8:
        taken = taken.astype(np.float32, copy=False)
    return torch.from_numpy(taken).reshape(len(taken), *input_shape)
