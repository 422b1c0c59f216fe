"""Images as small RGB pictures: what the convolutional network sees."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from PIL import Image, ImageOps

from models_store.encoders.base import Encoder, EncodingError, State

SIZE = 32

# What Pillow raises for damaged files, by its own documentation and by experience with truncated ones.
_DAMAGED = (OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, OverflowError, struct.error, zlib.error)


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
            features[index] = _pixels(raw, index=index).reshape(-1)
        return features

    def state(self) -> State:
        return {"size": np.array(SIZE)}

    @classmethod
    def from_state(cls, state: State) -> Self:
        if int(state["size"]) != SIZE:
            raise ValueError(f"made for {int(state['size'])} pixels, not {SIZE}")
        return cls()


def _pixels(raw: bytes, *, index: int) -> np.ndarray:
    """(3, SIZE, SIZE) uint8 of the bytes of an image file."""
    if not isinstance(raw, bytes | bytearray | memoryview):
        raise EncodingError(f"expected the bytes of an image file, not {type(raw).__name__}", index=index)
    try:
        with Image.open(io.BytesIO(raw)) as image:
            image.draft(None, (2 * SIZE, 2 * SIZE))  # a large JPEG is decoded at a fraction of its size
            small = _rgb(ImageOps.exif_transpose(image)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    except Image.DecompressionBombError as error:
        raise EncodingError("an image of too many pixels", index=index) from error
    except _DAMAGED as error:
        raise EncodingError("not an image that can be read, or a damaged one", index=index) from error
    return np.asarray(small, dtype=np.uint8).transpose(2, 0, 1)


def _rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB on white. Deeper greys (16 bit, float) are stretched over their own range: scanners and microscopes
    seldom fill the whole of it, and plain conversion would clip nearly all to white.
    """
    if image.mode.startswith(("I", "F")):
        grey = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
        spread = float(np.ptp(grey)) or 1.0
        image = Image.fromarray(((grey - grey.min()) / spread * 255).astype(np.uint8))
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    return image.convert("RGB")
