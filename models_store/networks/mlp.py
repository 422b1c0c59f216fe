"""A two-layer perceptron on standardised numbers: for texts, vectors and tables."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models_store.networks.calibration import CalibrationLayer

FAR = 10.0
"""Numbers are cut off at so many standard deviations: an outlier must not decide by itself."""
COMPARABLE = 10.0
"""The greatest ratio of a column's deviation to the median deviation with which all columns share one scale. It is
below 3 for embeddings and pixels, and in the hundreds for tables in mixed units."""


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
    """Standardisation, then two layers with layer norm. `standardise` learns the standardisation once, from the
    training data; it is saved with the weights.
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
        # All classes start equal, so that a class without labels stays undecided rather than random.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.calibration = CalibrationLayer()

    def standardise(self, features: np.ndarray) -> None:
        """Learn the mean and the gain of each column: `standardisation`."""
        mean, gain = standardisation(features)
        self.mean.copy_(torch.from_numpy(mean))
        self.gain.copy_(torch.from_numpy(gain))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = ((x.float() - self.mean) * self.gain).clamp(-FAR, FAR)
        embedding = self.trunk(x)
        return embedding, self.calibration(self.head(embedding))


def standardisation(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each column, and the gain that centred columns are multiplied by: (dim,) each.

    If no column's deviation is above COMPARABLE times the median, all columns share one scale: the directions of an
    embedding keep their relative weight, which is worth several points of accuracy with few labels. Otherwise each
    column has its own scale, as different units need, and a constant column is ignored.

    Parameters
    ----------
    features : ndarray of shape (n, dim)
        n >= 1; read in chunks.

    Raises
    ------
    ValueError
        If a number is not finite.
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
    return mean, _gain(mean, deviation)


def _gain(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return the factor of each centred column, (n_inputs,)."""
    varies = deviation > 1e-6 * np.maximum(np.abs(mean), 1e-6)
    if not varies.any():
        return np.ones_like(deviation)
    if deviation.max() <= COMPARABLE * np.median(deviation[varies]):
        return np.full_like(deviation, 1 / np.sqrt(np.mean(deviation[varies] ** 2)))
    gain: np.ndarray = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=varies)
    return gain
