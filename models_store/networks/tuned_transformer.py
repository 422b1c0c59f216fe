"""Fine-tuning: a transformer of the library of that name with a new last layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from models_store.networks.tuned_pieces import TunedPieces


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


class TunedTransformer(TunedPieces):
    """The transformer, and a last layer.

    The special pieces of beginning and end count, too. Tables of positions and of kinds of text stay as they are: all
    texts read the same rows of them, so that no gradient is that of one text. Raises `EncoderSetupError` (a ValueError)
    if the library is missing.
    """

    most_rows = 32
    """The most texts at once, which bounds the memory of a training."""

    def __init__(self, config: TunedTransformerConfig) -> None:
        from models_store.encoders.base import library

        super().__init__(config)
        transformers = library("transformers", encoder="sentence-transformers")
        settings = transformers.AutoConfig.for_model(**config.transformer)
        # Some models are stored in half precision, which is too coarse to learn in.
        self.body = transformers.AutoModel.from_config(settings, trust_remote_code=False).float()
        self.body.pooler = None  # a layer without a use would have no gradient
        words = self.body.get_input_embeddings()
        for layer in self.body.modules():
            if isinstance(layer, nn.Embedding) and layer is not words:
                layer.requires_grad_(False)

    def hidden(self, pieces: Tensor) -> tuple[Tensor, Tensor]:
        real = pieces != self.config.padding
        return self.body(input_ids=pieces, attention_mask=real.long()).last_hidden_state, real
