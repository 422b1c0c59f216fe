"""Prepare pictures for a pretrained network of torchvision or timm that is fine-tuned from end to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, SupportsBytes

import numpy as np

from models_store.encoders.backbone import Backbone
from models_store.encoders.base import State
from models_store.encoders.options import Option
from models_store.encoders.pictures import Sight, pictures

if TYPE_CHECKING:
    from torch import nn


class FineTuned(Backbone):
    """RGB pictures as uint8, channel first, as in `Pixels`, and the network that every training begins with.

    `Backbone` runs the network once and trains a small network on its output. Here each training changes the network
    itself, from the same initial weights, which takes a GPU, or small pictures and much time.
    """

    name: ClassVar[str] = "fine-tuned"
    meaning: ClassVar[str] = (
        "A network trained on other images, all of which is fine-tuned on the labels. The best with many labels "
        "and unusual pictures; by far the slowest, so use a GPU."
    )
    options: ClassVar[Mapping[str, Option]] = {
        **Backbone.options,
        # Without a default it is not measured unasked, which would take hours.
        "architecture": replace(Backbone.options["architecture"], default=None),
        "size": Option("Height and width of the picture, in pixels.", default=64, low=16, high=512),
    }
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.uint8)

    def __init__(self, architecture: str, weights: Mapping[str, np.ndarray], sight: Sight, width: int) -> None:
        super().__init__(architecture, weights, sight, width)
        self.width = width
        self.input_shape = (3, sight.size, sight.size)
        self.dim = 3 * sight.size**2

    @classmethod
    def fit(cls, samples: Sequence[bytes], *, weights: Path, architecture: str, size: int = 64) -> Self:  # type: ignore[override]
        return super().fit(samples, weights=weights, architecture=architecture, size=size)

    def encode(self, raws: Sequence[SupportsBytes]) -> np.ndarray:
        return pictures(raws, self.sight.size).reshape(len(raws), self.dim)

    def state(self) -> State:
        return {**super().state(), "dim": np.array(self.width)}

    def network(self, n_classes: int) -> nn.Module:
        import torch

        from models_store.encoders.architectures import Body, fill
        from models_store.networks.tuned import Tuned, TunedConfig

        sight = self.sight
        config = TunedConfig(self.architecture, sight.size, sight.mean, sight.deviation, self.width, n_classes)
        network = Tuned(config)
        weights = {name: torch.from_numpy(value) for name, value in self.weights.items()}
        fill(Body(network.body, (), sight), weights, architecture=self.architecture)
        return network.requires_grad_(True)
