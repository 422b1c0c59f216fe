"""Images as small RGB pictures: what the convolutional network sees."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from models_store.encoders.base import Encoder, State
from models_store.encoders.pictures import picture

SIZE = 32


class Pixels(Encoder):
    """32x32 RGB as uint8, channel first (3 x 32 x 32 = 3072 numbers).

    Turned upright by EXIF, transparency laid on white, the first frame of an animation, squeezed (not cropped) to
    the square with antialiasing. Needs no fitting.
    """

    name: ClassVar[str] = "pixels"
    kind: ClassVar[str] = "image"
    meaning: ClassVar[str] = "Small pictures of 32 by 32 pixels, which a network learns to see from the labels alone."
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.uint8)

    dim = 3 * SIZE * SIZE
    input_shape = (3, SIZE, SIZE)

    @classmethod
    def fit(cls, samples: Sequence[bytes]) -> Self:
        return cls()

    def encode(self, raws: Sequence[bytes]) -> np.ndarray:
        features = np.empty((len(raws), self.dim), dtype=self.dtype)
        for index, raw in enumerate(raws):
            features[index] = picture(raw, SIZE, index=index).reshape(-1)
        return features

    def state(self) -> State:
        return {"size": np.array(SIZE)}

    @classmethod
    def from_state(cls, state: State) -> Self:
        if int(state["size"]) != SIZE:
            raise ValueError(f"made for {int(state['size'])} pixels, not {SIZE}")
        return cls()
