"""Clipped gradients of single examples, summed, without the gradient of any single example in memory.

Ghost clipping (Li et al. 2022, 2110.05679) and book-keeping (Bu et al. 2022, 2210.00038): the inputs of each layer and
the gradients of its outputs, which one pass backwards gives, are enough for the norm of each example's gradient and for
the weighted sum of the gradients. Opacus computes norms layer by layer. With weights that two layers share, here the
word pieces' embedding and the output, that leaves out the product of both gradients.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LAYERS = (nn.Linear, nn.Embedding, nn.LayerNorm, nn.Conv2d)
"""The layers whose gradients can be clipped; convolutions in one group alone."""


def covered(network: nn.Module) -> set[Tensor]:
    """Return the weights whose gradients can be clipped."""
    layers = [layer for layer in network.modules() if isinstance(layer, LAYERS) and getattr(layer, "groups", 1) == 1]
    return {weight for layer in layers for weight in layer.parameters(recurse=False)}


def check_layers(network: nn.Module) -> None:
    """Raise ValueError, naming the weights, if a weight that learns does not belong to one of LAYERS."""
    known = covered(network)
    for name, weight in network.named_parameters():
        if weight.requires_grad and weight not in known:
            raise ValueError(f"not a network for private training: the gradient of {name} cannot be clipped")


def clipped_sum(
    network: nn.Module, losses_of: Callable[[], Tensor], max_norm: float
) -> tuple[dict[Tensor, Tensor], Tensor]:
    """Return the sum of the examples' gradients, each scaled down to a norm of at most `max_norm`, by weight; and
    the norms before that, (m,).

    Parameters
    ----------
    network : Module
        All weights that learn are in LAYERS (`check_layers`). Each example is computed by itself, along the first
        dimension of each layer's input (`check_examples`).
    losses_of : callable
        Runs the network once, and returns the loss of each example, (m,).
    max_norm : float

    Returns
    -------
    dict of Tensor to Tensor, Tensor
        Costs about one ordinary pass forwards and backwards, and for each layer and example the products of all pairs
        of its places. Norms tell of single examples: nothing may show them.
    """
    with _recorded(network) as parts:
        losses_of().sum().backward()
    with torch.no_grad():
        norms = torch.stack([_squares(each) for each in parts.values()]).sum(dim=0).clamp(min=0).sqrt()
        scale = (max_norm / norms.clamp(min=1e-12)).clamp(max=1.0)
        sums = {}
        for weight, (first, *others) in parts.items():
            sums[weight] = sum((part.weighted(scale) for part in others), first.weighted(scale))
    return sums, norms


def check_examples(network: nn.Module, losses_of: Callable[[slice], Tensor]) -> None:
    """Raise ValueError, naming the weights, if the network mixes examples, or uses a layer in a way that `clipped_sum`
    does not know: compare the norms of two examples, and their sum, with torch's own gradients.

    `losses_of` returns the losses, (m,), of some of two made-up examples: records may not be looked at.
    """
    weights = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    single = [torch.autograd.grad(losses_of(slice(at, at + 1)).sum(), list(weights.values())) for at in range(2)]
    sums, norms = clipped_sum(network, lambda: losses_of(slice(2)), math.inf)
    for (name, weight), one, other in zip(weights.items(), *single, strict=True):
        if weight not in sums or not torch.allclose(sums[weight], one + other, rtol=1e-2, atol=1e-5):
            raise ValueError(f"not a network for private training: {name} learns in a way that cannot be clipped")
    right = torch.stack([torch.stack([part.square().sum() for part in parts]).sum().sqrt() for parts in single])
    if not torch.allclose(norms, right, rtol=1e-2):
        raise ValueError("not a network for private training: it mixes examples")


@contextmanager
def _recorded(network: nn.Module) -> Iterator[dict[Tensor, list[_Part]]]:
    """Collect the gradients of each weight from a pass forwards and backwards. Weights need no gradients meanwhile, so
    that torch computes none.
    """
    parts: dict[Tensor, list[_Part]] = defaultdict(list)

    def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not output.requires_grad:  # that of the first layers
            output = output.detach().requires_grad_()
        taken = [inputs[0].detach()]

        def keep(gradient: Tensor) -> None:
            # The hook lives as long as the graph: without the pop, the input of each norm would, too.
            for weight, part in _parts(layer, taken.pop(), gradient):
                if weight in needing:
                    parts[weight].append(part)

        output.register_hook(keep)
        return output

    needing = {weight for weight in network.parameters() if weight.requires_grad}
    handles = [
        layer.register_forward_hook(record)
        for layer in network.modules()
        if isinstance(layer, LAYERS) and any(weight.requires_grad for weight in layer.parameters(recurse=False))
    ]
    try:
        for weight in needing:
            weight.requires_grad_(False)
        yield parts
    finally:
        for weight in needing:
            weight.requires_grad_()
        for handle in handles:
            handle.remove()


class _Part(ABC):
    """The gradients of a weight by one use, one for each example."""

    @abstractmethod
    def squares(self) -> Tensor:
        """Return the squared norm of each gradient, (m,)."""

    @abstractmethod
    def weighted(self, scale: Tensor) -> Tensor:
        """Return the sum of the gradients, each times its number in `scale` (m,), in the shape of the weight."""


@dataclass(frozen=True)
class _Plain(_Part):
    """Gradients as they are, (m, k): of biases and gains."""

    gradients: Tensor

    def squares(self) -> Tensor:
        return self.gradients.square().sum(dim=1)

    def weighted(self, scale: Tensor) -> Tensor:
        return scale @ self.gradients


@dataclass(frozen=True)
class _Outer(_Part):
    """Sums over places of outer products of `left` (m, t, o) and `right` (m, t, i): of matrices of the shape (o, i), or
    of filters of `shape`.
    """

    left: Tensor
    right: Tensor
    shape: torch.Size

    def squares(self) -> Tensor:
        places, weights = self.left.shape[1], self.shape.numel()
        if places**2 > weights:  # the gradients themselves take less memory than all pairs of places
            return (self.left.mT @ self.right).square().sum(dim=(1, 2))
        return ((self.left @ self.left.mT) * (self.right @ self.right.mT)).sum(dim=(1, 2))

    def weighted(self, scale: Tensor) -> Tensor:
        total = (self.left * scale[:, None, None]).flatten(0, 1).T @ self.right.flatten(0, 1)
        return total.reshape(self.shape)


@dataclass(frozen=True)
class _Rows(_Part):
    """Sums over places of `rows` (m, t, i), each in row `index` (m, t) of a table of `size` rows: of embeddings."""

    index: Tensor
    rows: Tensor
    size: int

    def squares(self) -> Tensor:
        same = self.index[:, :, None] == self.index[:, None, :]
        return ((self.rows @ self.rows.mT) * same).sum(dim=(1, 2))

    def weighted(self, scale: Tensor) -> Tensor:
        table = self.rows.new_zeros(self.size, self.rows.shape[2])
        return table.index_add_(0, self.index.flatten(), (self.rows * scale[:, None, None]).flatten(0, 1))


def _parts(layer: nn.Module, taken: Tensor, gradient: Tensor) -> Iterator[tuple[Tensor, _Part]]:
    """Yield the gradients of a layer's weights from its input and the gradient of its output."""
    if isinstance(layer, nn.Embedding):
        yield layer.weight, _Rows(taken, gradient, layer.num_embeddings)
    elif isinstance(layer, nn.LayerNorm):
        normal = F.layer_norm(taken, layer.normalized_shape, eps=layer.eps)
        yield layer.weight, _Plain(_places(gradient * normal).sum(dim=1))
        yield layer.bias, _Plain(_places(gradient).sum(dim=1))
    elif isinstance(layer, nn.Linear):
        gradient, taken = _places(gradient), _places(taken)
        yield layer.weight, _Outer(gradient, taken, layer.weight.shape)
        if layer.bias is not None:
            yield layer.bias, _Plain(gradient.sum(dim=1))
    elif isinstance(layer, nn.Conv2d):
        assert not isinstance(layer.padding, str)
        patches = F.unfold(taken, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
        yield layer.weight, _Outer(gradient.flatten(2).mT, patches.mT, layer.weight.shape)
        if layer.bias is not None:
            yield layer.bias, _Plain(gradient.sum(dim=(2, 3)))


def _places(values: Tensor) -> Tensor:
    """Return (m, …, k) values as (m, t, k), one row for each place of an example."""
    return values.flatten(1, -2) if values.ndim > 2 else values[:, None]


def _squares(parts: list[_Part]) -> Tensor:
    """Return the squared norm of each example's gradient of one weight, (m,), over all its uses."""
    match parts:
        case [one]:
            return one.squares()
        case [_Outer() as outer, _Rows() as rows]:
            return rows.squares() + outer.squares() + 2 * _product(rows, outer)
    raise ValueError("a weight may be shared by one embedding and one linear layer alone")


def _product(rows: _Rows, outer: _Outer) -> Tensor:
    """Return the inner product of both gradients of each example, (m,)."""
    places = rows.index[:, None, :].expand(-1, outer.left.shape[1], -1)
    return (outer.left.gather(2, places) * (outer.right @ rows.rows.mT)).sum(dim=(1, 2))
