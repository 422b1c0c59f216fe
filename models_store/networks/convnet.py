"""A small convolutional network, quick on two cores."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models_store.networks.calibration import CalibrationLayer


@dataclass(frozen=True)
class ConvNetConfig:
    input_shape: tuple[int, int, int]
    n_classes: int
    widths: tuple[int, ...] = (16, 32, 64)
    embedding_dim: int = 128

    def __post_init__(self) -> None:
        # JSON has no tuples.
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        object.__setattr__(self, "widths", tuple(self.widths))
        if len(self.input_shape) != 3 or min(*self.input_shape, *self.widths, self.n_classes, self.embedding_dim) < 1:
            raise ValueError(f"not a network: {self}")


class ConvNet(nn.Module):
    """Strided convolutions that halve the picture, one for each width, then one dense layer.

    uint8 pixels are scaled to [−1, 1]; floats are not scaled.
    """

    def __init__(self, config: ConvNetConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        channels, height, width_left = config.input_shape
        for width in config.widths:
            layers += [
                nn.Conv2d(channels, width, kernel_size=3, stride=2, padding=1),
                nn.GroupNorm(1, width),
                nn.ReLU(),
            ]
            channels, height, width_left = width, math.ceil(height / 2), math.ceil(width_left / 2)
        self.trunk = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(channels * height * width_left, config.embedding_dim),
            nn.LayerNorm(config.embedding_dim),
            nn.ReLU(),
        )
        self.head = nn.Linear(config.embedding_dim, config.n_classes)
        # All classes start equal, so that a class without labels stays undecided rather than random.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.calibration = CalibrationLayer()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.dtype == torch.uint8:
            x = x.float() / 127.5 - 1
        embedding = self.trunk(x)
        return embedding, self.calibration(self.head(embedding))
