"""Encode images as small RGB pictures, for the convolutional network."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, SupportsBytes

import numpy as np

from models_store.encoders.base import Encoder, State
from models_store.encoders.options import Option
from models_store.encoders.pictures import pictures


class Pixels(Encoder):
    """RGB as uint8, channel first: 3 x size x size numbers, for a size of 32 3,072 numbers.

    The first frame of an animation is turned upright by EXIF, laid on white where it is transparent, and resized (not
    cropped) to a square with antialiasing. Needs no fitting.
    """

    name: ClassVar[str] = "pixels"
    kind: ClassVar[str] = "image"
    meaning: ClassVar[str] = "Small pictures, from which a network learns with the labels alone."
    options: ClassVar[Mapping[str, Option]] = {
        "size": Option(
            "Height and width of the picture, in pixels. Twice as many show finer detail and take four times the "
            "space.",
            default=32,
            low=16,
            high=128,
        )
    }
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.uint8)

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError("a picture has at least one pixel")
        self.size = size
        self.dim = 3 * size * size
        self.input_shape = (3, size, size)

    @classmethod
    def fit(cls, samples: Sequence[bytes], *, size: int = 32) -> Self:
        return cls(size)

    def encode(self, raws: Sequence[SupportsBytes]) -> np.ndarray:
        return pictures(raws, self.size).reshape(len(raws), self.dim)

    def state(self) -> State:
        return {"size": np.array(self.size)}

    @classmethod
    def from_state(cls, state: State) -> Self:
        return cls(int(state["size"]))
