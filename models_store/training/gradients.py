"""The gradients of a step's labels: all of them, or the share of one of several processes that train together."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models_store.config import TrainConfig
from models_store.device import autocast, seed_generators
from models_store.training.losses import Objective
from models_store.training.training_set import Stream, TrainingSet, shifted

MOST_ROWS = 4096
MOST_LOGITS = 2**23
"""Rows, and rows x classes, that go through a network at once: a larger step is the sum of several such parts."""


class StepOf(NamedTuple):
    """One step of a training: its number, and the `size` labels that it takes from place `start` of the stream."""

    number: int
    start: int
    size: int
    soft: float
    """The factor of the soft calibration error."""

    @classmethod
    def of(cls, numbers: list[float]) -> "StepOf":
        """Return the step from its numbers, as processes send them."""
        number, start, size, soft = numbers
        return cls(int(number), int(start), int(size), soft)


@dataclass(frozen=True, eq=False)
class Gradients:
    """Computes the gradients of a step in this process. `network` and the objective's weights are on the `device`."""

    network: nn.Module
    training_set: TrainingSet
    objective: Objective
    stream: Stream
    config: TrainConfig
    seed: int
    device: torch.device

    def work_out(self, step: StepOf, *, rank: int = 0, world: int = 1) -> float:
        """Store a step's gradients in the network's parameters, and return the step's mean cross-entropy.

        Process `rank` of `world` computes its share of gradients and cross-entropy; the sum over all ranks is that of
        the whole step. The seed, the step's number and the rank determine all randomness.
        """
        self.network.train()
        self.network.zero_grad()
        own = [rank] if rank else []
        seed_generators(self.device, (self.seed * 1_000_003 + step.number + 1 + rank * 2**40) % 2**63)
        rng = np.random.default_rng([self.seed, 2, step.number, *own])
        rows = np.array_split(self.stream.take(step.start, step.size), world)[rank]
        total = 0.0
        for part in in_parts(rows, self.network, self.training_set.n_classes):
            inputs, targets, proposed = self.training_set.take(part)
            if self.config.augment and inputs.ndim == 4:
                inputs = shifted(inputs, rng)
            with autocast(self.device):
                logits = self.network(inputs.to(self.device))[1]
            loss = self.objective(
                logits,
                targets.to(self.device),
                on(self.device, proposed),
                on(self.device, self.training_set.probable(part)),
                on(self.device, self.training_set.weights(part)),
                soft=step.soft,
            )
            weight = len(part) / step.size
            (loss.objective * weight).backward()
            total += loss.plain.item() * weight
        return total

    def to(self, device: torch.device) -> "Gradients":
        """Return a copy for another device. The network itself is moved."""
        objective = replace(self.objective, weights=on(device, self.objective.weights))
        return replace(self, network=self.network.to(device), objective=objective, device=device)


def in_parts(rows: np.ndarray, network: nn.Module, n_classes: int) -> list[np.ndarray]:
    """Yield the rows in parts that go through the network at once."""
    most_rows = getattr(network, "most_rows", MOST_ROWS)
    count = max(1, math.ceil(len(rows) / most_rows), math.ceil(len(rows) * n_classes / MOST_LOGITS))
    return np.array_split(rows, count)


def on(device: torch.device, tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.to(device)
