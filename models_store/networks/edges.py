"""A network for noisy gradients: a perceptron on fixed edges and colours of a picture."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models_store.networks.mlp import Mlp, MlpConfig

ORIENTATIONS = 8
CELL = 4
LUMA = (0.299, 0.587, 0.114)
FAINT = 1e-3
"""Under the root of an edge's strength: noise of a grey level or two is no edge."""


@dataclass(frozen=True)
class EdgesConfig:
    input_shape: tuple[int, int, int]
    n_classes: int
    hidden: int = 256
    embedding_dim: int = 128

    def __post_init__(self) -> None:
        # JSON has no tuples.
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        channels, height, width = self.input_shape
        if channels < 1 or min(height, width) < CELL or min(self.n_classes, self.hidden, self.embedding_dim) < 1:
            raise ValueError(f"not a network: {self}")


class Edges(nn.Module):
    """An `Mlp` on the strengths of edges by orientation and cell (as in HOG, Dalal and Triggs 2005), on the picture at
    half its size, and on its colours at a quarter.

    Only the perceptron is learned: with noise on all gradients that is better than learning the edges, too (Tramèr and
    Boneh 2021, 2011.11660). Three channels are RGB; the mean of any other number of channels is the brightness.
    """

    kernels: Tensor
    luma: Tensor

    def __init__(self, config: EdgesConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.input_shape[0]
        sobel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
        turns = [2 * math.pi * turn / ORIENTATIONS for turn in range(ORIENTATIONS)]
        kernels = torch.stack([sobel * math.cos(turn) + sobel.T * math.sin(turn) for turn in turns])[:, None]
        weights = torch.tensor(LUMA if channels == 3 else [1 / channels] * channels)
        self.register_buffer("kernels", kernels)
        self.register_buffer("luma", weights[:, None, None])
        self.mlp = Mlp(
            MlpConfig(
                n_inputs=self._width(),
                n_classes=config.n_classes,
                hidden=config.hidden,
                embedding_dim=config.embedding_dim,
                dropout=0.0,
            )
        )

    def _width(self) -> int:
        channels, height, width = self.config.input_shape
        cells = (height // CELL) * (width // CELL)
        colours = channels * cells if channels > 1 else 0
        return ORIENTATIONS * cells + (height // 2) * (width // 2) + colours

    def frozen(self, x: Tensor) -> Tensor:
        """Compute the inputs of the perceptron, (m, d) float32, from (m, *input_shape) pixels; uint8 is scaled to [0,
        1].
        """
        x = x.float() / 255 if x.dtype == torch.uint8 else x.float()
        grey = (x * self.luma).sum(dim=1, keepdim=True)
        edges = F.relu(F.conv2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), self.kernels))
        parts = [4 * torch.sqrt(F.avg_pool2d(edges, CELL) + FAINT), F.avg_pool2d(grey, 2)]
        if x.shape[1] > 1:
            parts.append(F.avg_pool2d(x - grey, CELL))
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        embedding: Tensor
        logits: Tensor
        embedding, logits = self.mlp(self.frozen(x))
        return embedding, logits
