"""Is this a raster image that can be shown, stored and learned from? Told by its bytes, never by its name.

Run by `child.py` alone, in a process of its own.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

from PIL import Image, ImageOps, UnidentifiedImageError

_MIB = 1024 * 1024
# With that a decoder takes several times as much: 50 million pixels of WebP, which may come in 38 bytes, 800 MB.
MOST_DECODED_BYTES = 160_000_000
# Of larger ones, one at a time is opened on this machine.
LARGE_BYTES = 32_000_000
MOST_PNG_BYTES = 64 * _MIB

SUFFIXES = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "MPO": ".jpg",  # a JPEG with more pictures behind it, as phones write them
    "GIF": ".gif",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
}
_FORMATS = tuple(name for name in SUFFIXES if name != "MPO")  # Pillow finds it by way of JPEG
_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "LA": 2, "PA": 2, "I;16": 2, "I;16B": 2, "RGB": 3, "YCbCr": 3, "LAB": 3}
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL = 258, 277  # tags of a TIFF
_ROWS = 256  # of floating-point greys, stretched at once

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
    RuntimeError,
    struct.error,
    zlib.error,
)


class Unfit(Exception):
    """The image is refused. The message ends the sentence "the image …"."""


def examine(data: bytes, max_pixels: int, *, before_large: Callable[[], None] = lambda: None) -> tuple[str, bytes]:
    """The file name suffix of what browsers can show; and the PNG to be shown, b"" if it is the image as it is.

    The size is taken from the header, before anything is decoded; then the first frame is decoded in full. Of a TIFF
    the first page becomes a PNG, turned as it says, its colours as they are; floating-point greys are stretched over
    their own range, as the encoder does. `before_large` is called before a large one is decoded. Raises `Unfit`.
    """
    try:
        suffix = _check(data, max_pixels, before_large)
        return (".png", _png(data)) if suffix == ".tif" else (suffix, b"")
    except MemoryError as error:
        raise Unfit("takes too much memory to be opened: make it smaller") from error


def _check(data: bytes, max_pixels: int, before_large: Callable[[], None]) -> str:
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if _decoded_bytes(image, max_pixels) > LARGE_BYTES:
                before_large()
            suffix = SUFFIXES[image.format or ""]
            image.verify()
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:  # verify() leaves it unusable
            image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unfit(_too_many(max_pixels)) from error
    except UnidentifiedImageError as error:
        raise Unfit(_what_else(data)) from error
    except _DAMAGE as error:
        raise Unfit("is damaged or cut short: export it again") from error
    return suffix


def _png(data: bytes) -> bytes:
    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
            ImageOps.exif_transpose(image, in_place=True)
            _as_png(image).save(buffer, "PNG")
    except _DAMAGE as error:
        raise Unfit("is a TIFF that cannot be shown in a browser: convert it to PNG") from error
    if buffer.tell() > MOST_PNG_BYTES:
        raise Unfit(f"is a TIFF of more than {MOST_PNG_BYTES // _MIB} MiB as PNG: make it smaller")
    return buffer.getvalue()


def _as_png(page: Image.Image) -> Image.Image:
    if page.mode in ("F", "I"):
        return _stretched(page)
    if page.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        return page
    page = page.convert("RGB")
    page.info.pop("icc_profile", None)  # it was for the colours that are no more
    return page


def _stretched(page: Image.Image) -> Image.Image:
    """Greys as 8 bits, their range the whole of it. A few rows at a time: in numpy a page is many times as large."""
    import numpy as np  # few images need it, and it doubles what the process takes

    page.load()
    boxes = [(0, top, page.width, min(top + _ROWS, page.height)) for top in range(0, page.height, _ROWS)]

    def greys(box: tuple[int, int, int, int]) -> np.ndarray:
        return np.nan_to_num(np.asarray(page.crop(box), dtype=np.float32), posinf=0.0, neginf=0.0)

    darkest = np.min([greys(box).min() for box in boxes])
    spread = float(np.max([greys(box).max() for box in boxes]) - darkest) or 1.0
    shown = Image.new("L", page.size)
    for box in boxes:
        shown.paste(Image.fromarray(((greys(box) - darkest) / spread * 255).astype(np.uint8)), box)
    return shown


def _decoded_bytes(image: Image.Image, max_pixels: int) -> float:
    """What the image takes when it is decoded, by its header. Raises `Unfit` if that is too much."""
    width, height = image.size
    if width * height > max_pixels:
        raise Unfit(f"has {width:,} × {height:,} pixels, {_too_many(max_pixels).removeprefix('has ')}")
    decoded = width * height * _pixel_bytes(image)
    if decoded > MOST_DECODED_BYTES:
        raise Unfit(
            f"takes {decoded / 1e6:.0f} MB when it is decoded, more than {MOST_DECODED_BYTES / 1e6:.0f} MB: make it "
            "smaller, or save it with fewer bits a pixel"
        )
    return decoded


def _pixel_bytes(image: Image.Image) -> float:
    """Bytes that a pixel takes when it is decoded; a TIFF may have deeper ones than any mode of Pillow's."""
    size = _PIXEL_BYTES.get(image.mode, 4)
    if image.format != "TIFF":
        return size
    tags = image.tag_v2  # type: ignore[attr-defined]
    return float(max(size, max(tags.get(_BITS_PER_SAMPLE, (1,))) * tags.get(_SAMPLES_PER_PIXEL, 1) / 8))


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
