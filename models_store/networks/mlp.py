"""A two-layer perceptron on standardised numbers: for texts, vectors and tables."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models_store.networks.calibration import CalibrationLayer

FAR = 10.0
"""Standard deviations beyond which a number is cut off: one wild value must not decide by itself."""
COMPARABLE = 10.0
"""Embeddings and pixels stay under 3 (deviation over median deviation), tables in mixed units are in the hundreds."""


@dataclass(frozen=True)
class MlpConfig:
    n_inputs: int
    n_classes: int
    hidden: int = 256
    embedding_dim: int = 128
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if min(self.n_inputs, self.n_classes, self.hidden, self.embedding_dim) < 1 or not 0 <= self.dropout < 1:
            raise ValueError(f"not a network: {self}")


class Mlp(nn.Module):
    """Standardise, then two layers with layer norm. The standardisation is learned once from the training data by
    `standardise` and travels with the weights.
    """

    mean: Tensor
    gain: Tensor

    def __init__(self, config: MlpConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.n_inputs))
        self.register_buffer("gain", torch.ones(config.n_inputs))
        self.trunk = nn.Sequential(
            nn.Linear(config.n_inputs, config.hidden),
            nn.LayerNorm(config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.embedding_dim),
            nn.LayerNorm(config.embedding_dim),
            nn.ReLU(),
        )
        self.head = nn.Linear(config.embedding_dim, config.n_classes)
        # All classes start level, so that one without any label stays undecided rather than random.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.calibration = CalibrationLayer()

    def standardise(self, features: np.ndarray) -> None:
        """Take mean and deviation of each column of (n, n_inputs) `features`, read in chunks; n >= 1.

        Columns of like deviation (none above COMPARABLE times the median) share one scale, since the directions of
        an embedding are to keep their relative weight: that is worth several points of accuracy where labels are
        few. Otherwise each has its own, as columns in different units must; one that never varies is then ignored,
        nothing being known about it. Raises ValueError for numbers that are not finite.
        """
        chunk = max(1, 2**22 // features.shape[1])
        total = np.zeros(features.shape[1])
        for start in range(0, len(features), chunk):
            total += features[start : start + chunk].sum(axis=0, dtype=np.float64)
        mean = total / len(features)
        squares = np.zeros_like(mean)
        for start in range(0, len(features), chunk):
            squares += np.square(features[start : start + chunk] - mean).sum(axis=0)
        deviation = np.sqrt(squares / len(features))
        if not np.isfinite(deviation).all():
            raise ValueError("the features hold numbers that are not finite")
        self.mean.copy_(torch.from_numpy(mean))
        self.gain.copy_(torch.from_numpy(_gain(mean, deviation)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = ((x.float() - self.mean) * self.gain).clamp(-FAR, FAR)
        embedding = self.trunk(x)
        return embedding, self.calibration(self.head(embedding))


def _gain(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """What to multiply each centred column by."""
    varies = deviation > 1e-6 * np.maximum(np.abs(mean), 1e-6)
    if not varies.any():
        return np.ones_like(deviation)
    if deviation.max() <= COMPARABLE * np.median(deviation[varies]):
        return np.full_like(deviation, 1 / np.sqrt(np.mean(deviation[varies] ** 2)))
    gain: np.ndarray = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=varies)
    return gain
