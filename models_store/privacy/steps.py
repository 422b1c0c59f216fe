"""The steps of DP-AdamW, which pre-training and fine-tuning share: clipped sums of many chunks, noise, one step."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from models_store.privacy import entropy
from models_store.privacy.clipping import clipped_sum

WARM_UP = 0.05


def optimiser_of(network: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """Return the optimiser of the weights that learn; only matrices decay."""
    learning = [weight for weight in network.parameters() if weight.requires_grad]
    matrices, others = ([each for each in learning if (each.ndim > 1) == wide] for wide in (True, False))
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    # A rescaled gradient leaves Adam's steps as they are, if its epsilon is far below any gradient.
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), eps=1e-12)


def set_rate(optimiser: torch.optim.Optimizer, learning_rate: float, step: int, steps: int) -> None:
    """Set the learning rate of a step, from 1 to `steps`: it rises, then falls to 0."""
    warm = max(1, round(WARM_UP * steps))
    share = step / warm if step <= warm else (steps - step + 1) / (steps - warm + 1)
    for group in optimiser.param_groups:
        group["lr"] = learning_rate * share


def add_up(network: nn.Module, chunks: Iterable[Callable[[], Tensor]], clipping_norm: float) -> None:
    """Put the sum of the clipped gradients of all examples into `grad`; zeros without an example. Each chunk returns
    the losses of its examples, as for `clipped_sum`.
    """
    for weight in network.parameters():
        weight.grad = weight.new_zeros(weight.shape) if weight.requires_grad else None
    for losses_of in chunks:
        sums, _ = clipped_sum(network, losses_of, clipping_norm)
        for learning, gradient in sums.items():
            assert learning.grad is not None
            learning.grad += gradient


def add_noise(network: nn.Module, deviation: float, expected: float) -> None:
    """Add noise to the sums in `grad`, and divide them by the expected number of examples: the size of a drawn batch
    would tell of single examples.
    """
    for weight in network.parameters():
        if weight.grad is not None:
            weight.grad += entropy.gaussian(weight.shape, deviation)
            weight.grad /= expected
