"""A small BERT (Devlin et al. 2019, 1810.04805) with normalised inputs of each layer, which train without tuning."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models_store.language.config import LanguageConfig
from models_store.language.texts import Guesses, most_hidden
from models_store.language.wordpieces import PAD


class LanguageModel(nn.Module):
    """Guesses hidden word pieces. Its output layer shares the weights of the word pieces' embedding."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        self.table = nn.Embedding(config.pieces, config.width)
        self.positions = nn.Embedding(config.window, config.width)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.output = nn.Linear(config.width, config.pieces)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        self.output.weight = self.table.weight

    def forward(self, pieces: Tensor) -> Tensor:
        """Return (m, t, width) hidden states of (m, t) pieces; those of PAD mean nothing."""
        places = torch.arange(pieces.shape[1]).expand(pieces.shape)
        hidden = self.table(pieces) + self.positions(places)
        real = (pieces != PAD)[:, None, None, :]
        for layer in self.layers:
            hidden = layer(hidden, real)
        normal: Tensor = self.norm(hidden)
        return normal

    def losses(self, guesses: Guesses) -> Tensor:
        """Return the loss of each window, (m,): the cross-entropies of its hidden pieces, summed, and divided by a
        number that is the same for all windows.

        A mean over the hidden pieces would be no mistake for one window, but over a batch it would divide the gradient
        of one window by a number that other windows change.
        """
        logits = self.logits(guesses)
        each = F.cross_entropy(logits.flatten(0, 1), guesses.targets.flatten(), reduction="none")
        return (each.view(guesses.targets.shape) * guesses.counted).sum(dim=1) / most_hidden(self.config.window)

    def logits(self, guesses: Guesses) -> Tensor:
        """Return (m, k, pieces) logits at the hidden places."""
        hidden = self(guesses.inputs)
        at = guesses.places[:, :, None].expand(-1, -1, hidden.shape[2])
        logits: Tensor = self.output(hidden.gather(1, at))
        return logits


def weights_of(network: LanguageModel) -> dict[str, Tensor]:
    """Return the weights by name, each once: safetensors refuses two names for the same memory."""
    return {name: weight for name, weight in network.state_dict().items() if name != "output.weight"}


def load_weights(network: LanguageModel, weights: Mapping[str, Tensor]) -> None:
    """Load the weights of `weights_of`. Raises RuntimeError or KeyError if they are those of another shape."""
    network.load_state_dict({**weights, "output.weight": weights["table.weight"]})


class _Layer(nn.Module):
    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.before_attention = nn.LayerNorm(config.width)
        self.queries_keys_values = nn.Linear(config.width, 3 * config.width)
        self.joined = nn.Linear(config.width, config.width)
        self.before_wide = nn.LayerNorm(config.width)
        self.wide = nn.Linear(config.width, 4 * config.width)
        self.narrow = nn.Linear(4 * config.width, config.width)

    def forward(self, hidden: Tensor, real: Tensor) -> Tensor:
        m, t, width = hidden.shape
        parts = self.queries_keys_values(self.before_attention(hidden)).view(m, t, 3, self.heads, width // self.heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(queries, keys, values, attn_mask=real)
        hidden = hidden + self.joined(seen.transpose(1, 2).reshape(m, t, width))
        widened: Tensor = self.narrow(F.gelu(self.wide(self.before_wide(hidden))))
        return hidden + widened
