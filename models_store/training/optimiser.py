"""The groups of weights that a step treats alike, and the running average of the weights."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

GENTLY = 0.1
"""The factor of the step size of pretrained weights: those that a network names `gentle`."""


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Return groups of parameters: matrices decay, biases and norms do not; `gentle` parameters take smaller steps."""
    gentle = getattr(network, "gentle", None)
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        known = gentle is not None and name.startswith(gentle)
        groups.setdefault((known, parameter.ndim > 1), []).append(parameter)
    return [
        {"params": each, "weight_decay": weight_decay * matrices, "part": GENTLY if known else 1.0}
        for (known, matrices), each in groups.items()
    ]


def average_over(steps: int) -> Callable[[Any, Any, Any], None]:
    """Return an exponential average over about `steps` steps; over fewer at first, so that the initial weights fade."""

    @torch.no_grad()
    def update(averages: list[Tensor], weights: list[Tensor], averaged: Tensor | int) -> None:
        torch._foreach_lerp_(averages, weights, max(1 / max(steps, 1), 9 / (int(averaged) + 9)))

    return update
