"""Fine-tuning: a small language model with a new last layer."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models_store.networks.calibration import CalibrationLayer

PIECE_UNIT = 2.0**-40
"""Word pieces stand among the features as numbers times this: exact in float32, and too small to count as distances."""


def pieces_of(features: Tensor, window: int) -> Tensor:
    """Return the word pieces in the last `window` of (m, d) features: (m, window) int64."""
    return (features[:, -window:] / PIECE_UNIT).round().long()


@dataclass(frozen=True)
class TunedLanguageConfig:
    """The shape of the language model, as `models_store.language.config.LanguageConfig`, and the number of classes."""

    pieces: int
    layers: int
    width: int
    heads: int
    window: int
    n_classes: int

    def __post_init__(self) -> None:
        if min(self.pieces, self.layers, self.width, self.heads, self.window, self.n_classes) < 1:
            raise ValueError(f"not a network: {self}")


class TunedLanguage(nn.Module):
    """The language model without its guesses of pieces, and a last layer on the mean of its hidden states.

    It takes (m, width + window) features: `width` numbers that it ignores, then the text's first pieces in units of
    PIECE_UNIT.
    """

    gentle = "body."
    """The prefix of pretrained parameters, which large steps would spoil."""
    most_rows = 64
    """The most texts at once, which bounds the memory of a training."""

    def __init__(self, config: TunedLanguageConfig) -> None:
        # The language model's module needs packages that other networks do without.
        from models_store.language.config import LanguageConfig
        from models_store.language.network import LanguageModel

        super().__init__()
        self.config = config
        shape = LanguageConfig(config.pieces, config.layers, config.width, config.heads, config.window)
        self.body = LanguageModel(shape)
        del self.body.output  # a layer without a use would have no gradient
        self.head = nn.utils.skip_init(nn.Linear, config.width, config.n_classes)
        # All classes start equal, so that a class without labels stays undecided rather than random.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.calibration = CalibrationLayer()

    def made_up(self, m: int) -> Tensor:
        """Return (m, width + window) inputs of chance."""
        pieces = torch.randint(0, self.config.pieces, (m, self.config.window))
        return torch.cat([torch.zeros(m, self.config.width), pieces * PIECE_UNIT], dim=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        from models_store.language.wordpieces import END, PAD, START

        pieces = pieces_of(x, self.config.window)
        inside = ((pieces != PAD) & (pieces != START) & (pieces != END))[:, :, None].float()
        embedding = (self.body(pieces) * inside).sum(dim=1) / inside.sum(dim=1).clamp(min=1)
        return embedding, self.calibration(self.head(embedding))
