"""Fine-tuning: a transformer of the library of that name with a new last layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models_store.networks.calibration import CalibrationLayer
from models_store.networks.tuned_language import PIECE_UNIT, pieces_of


@dataclass(frozen=True)
class TunedTransformerConfig:
    """`transformer`: the configuration of the library's model, as JSON. `padding`: the word piece behind the end of a
    short text. `width`: the length of a hidden state.
    """

    transformer: Mapping[str, Any]
    pieces: int
    padding: int
    width: int
    window: int
    n_classes: int

    def __post_init__(self) -> None:
        if min(self.pieces, self.width, self.window, self.n_classes) < 1:
            raise ValueError(f"not a network: {self}")


class TunedTransformer(nn.Module):
    """The transformer, and a last layer on the mean of its hidden states.

    It takes (m, width + window) features: `width` numbers that it ignores, then the text's first word pieces, the
    special ones of beginning and end too, in units of PIECE_UNIT. Tables of positions and of kinds of text stay as they
    are: all texts read the same rows of them, so that no gradient is that of one text. Raises `EncoderSetupError` (a
    ValueError) if the library is missing."""

    gentle = "body."
    """The prefix of pretrained parameters, which large steps would spoil."""
    most_rows = 32
    """The most texts at once, which bounds the memory of a training."""

    def __init__(self, config: TunedTransformerConfig) -> None:
        from models_store.encoders.base import library

        super().__init__()
        transformers = library("transformers", encoder="sentence-transformers")
        self.config = config
        settings = transformers.AutoConfig.for_model(**config.transformer)
        # Some models are stored in half precision, which is too coarse to learn in.
        self.body = transformers.AutoModel.from_config(settings, trust_remote_code=False).float()
        self.body.pooler = None  # a layer without a use would have no gradient
        words = self.body.get_input_embeddings()
        for layer in self.body.modules():
            if isinstance(layer, nn.Embedding) and layer is not words:
                layer.requires_grad_(False)
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
        pieces = pieces_of(x, self.config.window)
        real = pieces != self.config.padding
        hidden = self.body(input_ids=pieces, attention_mask=real.long()).last_hidden_state
        inside = real[:, :, None].float()
        embedding = (hidden * inside).sum(dim=1) / inside.sum(dim=1).clamp(min=1)
        return embedding, self.calibration(self.head(embedding))
