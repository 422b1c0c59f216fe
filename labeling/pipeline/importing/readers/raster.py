"""Is this a raster image that can be shown, stored and learned from? Told by its bytes, never by its name."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

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


def for_browsers(data: bytes, suffix: str) -> tuple[bytes, str]:
    """The image as browsers can show it, and its suffix: all but TIFF as it is. Give it what `check_image` has passed.

    Of a TIFF the first page becomes a PNG, turned as it says, its colours as they are; floating-point greys are
    stretched over their own range, as the encoder does. Raises BadImage.
    """
    if suffix != ".tif":
        return data, suffix
    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
            _as_png(ImageOps.exif_transpose(image)).save(buffer, "PNG")
    except _DAMAGE as error:
        raise BadImage("is a TIFF that cannot be shown in a browser: convert it to PNG") from error
    return buffer.getvalue(), ".png"


def _as_png(page: Image.Image) -> Image.Image:
    if page.mode in ("F", "I"):
        grey = np.nan_to_num(np.asarray(page, dtype=np.float32), posinf=0.0, neginf=0.0)
        spread = float(np.ptp(grey)) or 1.0
        return Image.fromarray(((grey - grey.min()) / spread * 255).astype(np.uint8))
    if page.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        return page
    page = page.convert("RGB")
    page.info.pop("icc_profile", None)  # it was for the colours that are no more
    return page


def _check_pixels(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise BadImage(f"has {width:,} × {height:,} pixels, {_too_many(max_pixels).removeprefix('has ')}")


def _too_many(max_pixels: int) -> str:
    return f"has more than {max_pixels / 1e6:g} million pixels: make it smaller"


def _what_else(data: bytes) -> str:
    if data[4:8] == b"ftyp":
        return "is a HEIC or AVIF photograph: export it as JPEG"
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return "is an SVG drawing, which may carry scripts: convert it to PNG"
    if head.startswith(b"<"):
        return "is a web page or XML, not an image"
    return "is not a PNG, JPEG, GIF, WEBP, BMP or TIFF image, or is damaged"
