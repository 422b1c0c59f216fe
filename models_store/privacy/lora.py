"""Low-rank adapters (Hu et al. 2021, 2106.09685): few numbers learn beside the frozen weights of a network's linear
layers, so that less noise is added in all.
"""

import torch
from torch import Tensor, nn

RANK = 8


class Lora(nn.Module):
    """A linear layer whose weights stay, and beside it the product of two thin matrices, which learn."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        """The product is 0 at first: `up` is."""
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.base(x) + self.up(self.down(x))
        return y

    def merged(self) -> nn.Linear:
        """Return the linear layer with the product added to its weights."""
        with torch.no_grad():
            self.base.weight += self.up.weight @ self.down.weight
        return self.base


def add_adapters(network: nn.Module, rank: int = RANK) -> None:
    """Put an adapter beside each linear layer. Subclasses are left alone: their owners read the weights themselves."""
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Linear:
                setattr(parent, name, Lora(layer, min(rank, layer.in_features, layer.out_features)))


def merge_adapters(network: nn.Module) -> None:
    """Replace each adapter by its merged layer: the network has its first shape again, and computes the same."""
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, Lora):
                setattr(parent, name, layer.merged())
