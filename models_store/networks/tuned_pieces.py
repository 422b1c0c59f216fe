"""The common part of networks that are fine-tuned on word pieces: a last layer on the mean of hidden states."""

from typing import Any

import torch
from torch import Tensor, nn

from models_store.networks.calibration import CalibrationLayer

PIECE_UNIT = 2.0**-40
"""Word pieces stand among the features as numbers times this: exact in float32, and too small to count as distances."""


class TunedPieces(nn.Module):
    """Takes (m, width + window) features: `width` numbers that it ignores, then the text's first word pieces in units
    of PIECE_UNIT. Subclasses have a `body`, and say in `hidden` what it makes of the pieces.
    """

    gentle = "body."
    """The prefix of pretrained parameters, which large steps would spoil."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.head = nn.utils.skip_init(nn.Linear, config.width, config.n_classes)
        # All classes start equal, so that a class without labels stays undecided rather than random.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.calibration = CalibrationLayer()

    def hidden(self, pieces: Tensor) -> tuple[Tensor, Tensor]:
        """Return the hidden states (m, window, width) of (m, window) pieces, and which of them count: (m, window)."""
        raise NotImplementedError

    def made_up(self, m: int) -> Tensor:
        """Return (m, width + window) inputs of chance."""
        pieces = torch.randint(0, self.config.pieces, (m, self.config.window))
        return torch.cat([torch.zeros(m, self.config.width), pieces * PIECE_UNIT], dim=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden, counts = self.hidden((x[:, -self.config.window :] / PIECE_UNIT).round().long())
        inside = counts[:, :, None].float()
        embedding = (hidden * inside).sum(dim=1) / inside.sum(dim=1).clamp(min=1)
        return embedding, self.calibration(self.head(embedding))
