"""The layer after the last: it scales logits as calibration has fitted."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

LEAST = 1e-6


class Adaptive(NamedTuple):
    """A calibration: logits are multiplied by scale * apart^power, see `CalibrationLayer`."""

    scale: float
    power: float

    def of(self, logits: Tensor) -> Tensor:
        """Return the calibrated logits, (m, K)."""
        return logits * torch.tensor(self.scale) * apart(logits) ** torch.tensor(self.power)


class CalibrationLayer(nn.Module):
    """Multiply each item's logits, (m, K), by scale * apart^power in evaluation mode.

    `apart` is the distance of the item's best logit from the mean of its logits. With power 0, the layer divides by a
    temperature, 1 / scale. Otherwise each item has its own temperature, as in Tomani et al. 2022, "Parameterized
    Temperature Scaling" (arXiv 2102.12182), with a single parameter more. The factor is positive, so the order of an
    item's classes stays.

    It is a module of its own, without parameters: private training needs other layers to have no buffers.
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
        # Weights of releases before calibration have none.
        state_dict.setdefault(f"{prefix}scale", torch.ones(()))
        state_dict.setdefault(f"{prefix}power", torch.zeros(()))
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def apart(logits: Tensor) -> Tensor:
    """Return the distance of each item's best logit from the mean of its (m, K) logits: (m, 1), positive."""
    return (logits.amax(dim=1, keepdim=True) - logits.mean(dim=1, keepdim=True)).clamp_min(LEAST)
