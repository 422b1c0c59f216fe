"""Is this a raster image that can be shown, stored and learned from? Told by its bytes, never by its name."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image, UnidentifiedImageError

from .base import MIB, BadImage, too_large

MAX_PIXELS = 50_000_000
MAX_BYTES = 20 * MIB

_SUFFIXES = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "MPO": ".jpg",  # a JPEG with more pictures behind it, as phones write them
    "GIF": ".gif",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
}
_FORMATS = tuple(name for name in _SUFFIXES if name != "MPO")  # Pillow finds it by way of JPEG

# What Pillow's decoders raise on damaged or hostile bytes.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    EOFError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)


def check_image(data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> str:
    """The file name suffix of the image's real format. Raises BadImage.

    The size is taken from the header, before anything is decoded; then the first frame is decoded in full.
    """
    if len(data) > max_bytes:
        raise BadImage(too_large(max_bytes))
    if not data:
        raise BadImage("is empty")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _check_pixels(image, max_pixels)
            suffix = _SUFFIXES[image.format or ""]
            image.verify()
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:  # verify() leaves it unusable
            image.load()
    except BadImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImage(_too_many(max_pixels)) from error
    except UnidentifiedImageError as error:
        raise BadImage(_what_else(data)) from error
    except _DAMAGE as error:
        raise BadImage("is damaged or cut short: export it again") from error
    return suffix


def _check_pixels(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise BadImage(f"has {width:,} × {height:,} pixels, {_too_many(max_pixels).removeprefix('has ')}")


def _too_many(max_pixels: int) -> str:
    return f"has more than {max_pixels / 1e6:g} million pixels: make it smaller"


def _what_else(data: bytes) -> str:
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return "is an SVG drawing, which may carry scripts: convert it to PNG"
    if head.startswith(b"<"):
        return "is a web page or XML, not an image"
    return "is not a PNG, JPEG, GIF, WEBP, BMP or TIFF image, or is damaged"
