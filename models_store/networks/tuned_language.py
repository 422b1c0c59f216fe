"""Fine-tuning: a small language model with a new last layer."""

from dataclasses import dataclass

from torch import Tensor

from models_store.networks.tuned_pieces import TunedPieces


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


class TunedLanguage(TunedPieces):
    """The language model without its guesses of pieces, and a last layer."""

    most_rows = 64
    """The most texts at once, which bounds the memory of a training."""

    def __init__(self, config: TunedLanguageConfig) -> None:
        # The language model's module needs packages that other networks do without.
        from models_store.language.config import LanguageConfig
        from models_store.language.network import LanguageModel

        super().__init__(config)
        shape = LanguageConfig(config.pieces, config.layers, config.width, config.heads, config.window)
        self.body = LanguageModel(shape)
        del self.body.output  # a layer without a use would have no gradient

    def hidden(self, pieces: Tensor) -> tuple[Tensor, Tensor]:
        from models_store.language.wordpieces import END, PAD, START

        return self.body(pieces), (pieces != PAD) & (pieces != START) & (pieces != END)
