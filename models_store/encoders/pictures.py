"""Convert image files to square pictures, for all encoders of images."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple, SupportsBytes

import numpy as np
from PIL import Image, ImageOps

from models_store.encoders.base import EncodingError

# What Pillow raises for damaged files, by its own documentation and by experience with truncated ones.
_DAMAGED = (OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, OverflowError, struct.error, zlib.error)

# Pillow's own limit is below what is taken in: this one holds, by the header, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None
MOST_PIXELS = 250_000_000

# Rows that are converted at once: of deep greys, and of images of more than so many pixels.
_ROWS = 256
_LARGE_PIXELS = 50_000_000

PHOTO = 64
"""Pixels: smaller images in grey are drawings, digits, signs."""
GREY = 4.0
"""The mean difference of a grey picture's colours, of 255: JPEG gives it a little."""

_ORIENTATION = 0x0112  # a tag of EXIF


class _TooManyPixels(Exception):
    pass


class Sight(NamedTuple):
    """The size of a network's training pictures, and the mean and deviation of each colour."""

    size: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


def picture(raw: SupportsBytes, size: int, *, index: int) -> np.ndarray:
    """Convert the bytes of an image file to a (3, size, size) uint8 picture.

    The first frame of an animation is turned upright by EXIF, laid on white where it is transparent, and resized (not
    cropped) to a square with antialiasing. A JPEG is decoded at a fraction of its size, and any other large image is
    first averaged over whole blocks of pixels, so that it takes little more memory than its own pixels.

    Raises `EncodingError` for the item `index` if the bytes are no readable image.
    """
    if not isinstance(raw, bytes | bytearray | memoryview | SupportsBytes):
        raise EncodingError(f"expected the bytes of an image file, not {type(raw).__name__}", index=index)
    try:
        with Image.open(io.BytesIO(bytes(raw))) as image:
            if image.width * image.height > MOST_PIXELS:
                raise _TooManyPixels
            image.draft(None, (2 * size, 2 * size))  # a large JPEG is decoded at a fraction of its size
            if image.width * image.height > _LARGE_PIXELS:
                turned = _averaged(image, least=4 * size)
            else:
                turned = ImageOps.exif_transpose(image)
            small = _rgb(turned).resize((size, size), Image.Resampling.BILINEAR)
    except _TooManyPixels as error:
        raise EncodingError("an image of too many pixels", index=index) from error
    except _DAMAGED as error:
        raise EncodingError("not an image that can be read, or a damaged one", index=index) from error
    return np.asarray(small, dtype=np.uint8).transpose(2, 0, 1)


def is_photo(raw: SupportsBytes) -> bool:
    """Return whether the bytes are an image in colour, or one whose shorter side has PHOTO pixels. False for bytes
    that are no readable image.
    """
    try:
        with Image.open(io.BytesIO(bytes(raw))) as image:
            if min(image.size) >= PHOTO:
                return True
            image.thumbnail((PHOTO, PHOTO))
            low, high = np.sort(np.asarray(_rgb(image)), axis=2)[..., (0, 2)].transpose(2, 0, 1).astype(np.int16)
            return bool((high - low).mean() > GREY)
    except _DAMAGED:
        return False


def pictures(raws: Sequence[SupportsBytes], size: int) -> np.ndarray:
    """Convert m image files to (m, 3, size, size) uint8, as `picture`. Raises `EncodingError` for the first damaged
    one.
    """
    batch = np.empty((len(raws), 3, size, size), np.uint8)
    for index, raw in enumerate(raws):
        batch[index] = picture(raw, size, index=index)
    return batch


def _averaged(image: Image.Image, *, least: int) -> Image.Image:
    """Average the image over blocks of pixels, so that no side gets shorter than `least`, and turn it upright."""
    factor = max(1, min(image.size) // least)
    rows = factor * max(1, _ROWS // factor)
    near = None
    for top in range(0, image.height, rows):
        part = image.crop((0, top, image.width, min(top + rows, image.height)))
        part = (part.convert("I") if part.mode.startswith(("I", "F")) else _rgb(part)).reduce(factor)
        near = near or Image.new(part.mode, (part.width, -(-image.height // factor)))
        near.paste(part, (0, top // factor))
    assert near is not None
    near.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
    return ImageOps.exif_transpose(near)


def _rgb(image: Image.Image) -> Image.Image:
    """Convert the image to 8-bit RGB on white.

    Deeper greys (16 bit, float) are stretched over their own range, because scanners and microscopes seldom fill the
    whole range, and a plain conversion would clip most values to white.
    """
    if image.mode.startswith(("I", "F")):
        image = _stretched(image)
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    return image.convert("RGB")


def _stretched(image: Image.Image) -> Image.Image:
    """Stretch greys over 8 bits, a few rows at a time, because numpy needs several times the memory of the image."""
    image.load()
    boxes = [(0, top, image.width, min(top + _ROWS, image.height)) for top in range(0, image.height, _ROWS)]

    def greys(box: tuple[int, int, int, int]) -> np.ndarray:
        return np.nan_to_num(np.asarray(image.crop(box), dtype=np.float64), posinf=0.0, neginf=0.0)

    darkest = min(greys(box).min() for box in boxes)
    spread = float(max(greys(box).max() for box in boxes) - darkest) or 1.0
    shown = Image.new("L", image.size)
    for box in boxes:
        shown.paste(Image.fromarray(((greys(box) - darkest) / spread * 255).astype(np.uint8)), box)
    return shown
