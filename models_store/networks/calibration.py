"""What comes after the last layer: logits as sure as calibration has found they may be."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

LEAST = 1e-6


class Adaptive(NamedTuple):
    """What logits are multiplied by: scale * apart^power, see `CalibrationLayer`."""

    scale: float
    power: float

    def of(self, logits: Tensor) -> Tensor:
        """(m, K) logits as sure as they may be."""
        return logits * torch.tensor(self.scale) * apart(logits) ** torch.tensor(self.power)


class CalibrationLayer(nn.Module):
    """In evaluation mode each item's logits (m, K) times scale * apart^power. `apart` is how far the item's best logit
    stands above the mean of all. With power 0 that is division by a temperature, 1 / scale; otherwise the temperature
    is the item's own, as in Tomani et al. 2022, "Parameterized Temperature Scaling" (arXiv 2102.12182), here with one
    parameter more than the plain one. What it is multiplied by is positive: no item's order of classes changes.

    A module of its own and nothing to learn by gradients: what trains privately wants layers without buffers.
    """

    scale: Tensor
    power: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("power", torch.zeros(()))

    def forward(self, logits: Tensor) -> Tensor:
        return logits if self.training else logits * self.scale * apart(logits) ** self.power

    @torch.no_grad()
    def set(self, scale: float, power: float = 0.0) -> None:
        self.scale.fill_(scale)
        self.power.fill_(power)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        # Weights from before there was calibration have none.
        state_dict.setdefault(f"{prefix}scale", torch.ones(()))
        state_dict.setdefault(f"{prefix}power", torch.zeros(()))
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def apart(logits: Tensor) -> Tensor:
    """(m, 1), positive, from (m, K)."""
    return (logits.amax(dim=1, keepdim=True) - logits.mean(dim=1, keepdim=True)).clamp_min(LEAST)
