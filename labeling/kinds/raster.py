"""Examine a raster image by its bytes: refuse it, or prepare it for browsers.

Only `child.py` runs this module, in a separate process.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from PIL import Image, ImageOps, UnidentifiedImageError

# Off, because Pillow's limit ignores formats and reduced decoding. The limits below are checked against the header.
Image.MAX_IMAGE_PIXELS = None

_MIB = 1024 * 1024
# Decoders take several times the bytes of the pixels: for 50 million pixels of WebP, perhaps from 38 bytes, 800 MB.
MOST_PIXELS = 50_000_000
MOST_DECODED_BYTES = 160_000_000
# Formats with higher limits: a JPEG is decoded at a fraction of its size, and a PNG needs nothing beside its pixels.
LEAN = ("JPEG", "MPO", "PNG")
MOST_LEAN_BYTES = 420_000_000  # 105 million pixels in colour
# An image with more decoded bytes waits for the turn of `child.py`: one at a time on this machine.
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
_FORMATS = tuple(name for name in SUFFIXES if name != "MPO")  # Pillow opens an MPO by its JPEG plugin
_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "LA": 2, "PA": 2, "I;16": 2, "I;16B": 2, "RGB": 3, "YCbCr": 3, "LAB": 3}
_LEAN_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2}  # other modes take 4, even RGB
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL = 258, 277  # tags of a TIFF
_ROWS = 256  # rows that are converted at a time

# The longest sides of the smaller pictures. An image gets one if its longest side is at least _WORTH_IT times as long.
# static/js/label/kinds/image.js has the same two sizes.
PREVIEW, THUMBNAIL = 1600, 320
_WORTH_IT = 1.25
_QUALITY = {"quality": 82, "method": 1}  # of WebP; the other methods are slower
_MOST_PROFILE_BYTES = 16_384
_ORIENTATION = 0x0112  # a tag of EXIF

# The errors of Pillow's decoders for damaged or hostile bytes.
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


def examine(
    data: bytes, max_pixels: int, *, smaller: bool = False, before_large: Callable[[], None] = lambda: None
) -> tuple[str, bytes, bytes, bytes]:
    """Check an untrusted image, and decode it. Raises `Unfit`.

    Returns the suffix of the file for browsers; that file as PNG, b"" if browsers show the image itself; and its
    preview and thumbnail as WebP, b"" if the image is small.

    The limits are checked by the header before the image is decoded. Then the first frame is decoded to its end, a
    large JPEG at a fraction of its size. The first page of a TIFF becomes a PNG, turned by its EXIF orientation;
    floating-point greys are stretched over their own range, as the encoder does.

    Parameters
    ----------
    data: the bytes of the image.
    max_pixels: the most pixels of an image.
    smaller: whether to make smaller pictures, upright and with transparency; of an animation only a thumbnail.
    before_large: called before a large image is decoded.
    """
    try:
        longest = _check_image(data, max_pixels, before_large)
        with _loaded(data) as image:
            if image.format != "TIFF":
                page, suffix, png = image, SUFFIXES[image.format or ""], b""
            else:
                suffix, (page, png) = ".png", _png(image)
            preview, thumbnail = _smaller(page, longest) if smaller else (b"", b"")
            return suffix, png, preview, thumbnail
    except MemoryError as error:
        raise Unfit("takes too much memory to be opened: make it smaller") from error


def _check_image(data: bytes, max_pixels: int, before_large: Callable[[], None]) -> int:
    """Check the image by its header, and return its longest side in pixels. Raises `Unfit`."""
    with _damage_is_unfit(data), Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        _check_pixels(image, max_pixels)
        longest, coefficients = max(image.size), _coefficient_bytes(image)
        _reduce_decoding(image)
        if _decoded_bytes(image, coefficients) > LARGE_BYTES:
            before_large()
        image.verify()
    return longest


def _loaded(data: bytes) -> Image.Image:
    with _damage_is_unfit(data):
        image = Image.open(io.BytesIO(data), formats=_FORMATS)  # again, for an image cannot be used after verify()
        _reduce_decoding(image)
        image.load()
    return image


@contextmanager
def _damage_is_unfit(data: bytes) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError as error:
        raise Unfit(_what_else(data)) from error
    except _DAMAGE as error:
        raise Unfit("is damaged or cut short: export it again") from error


def _reduce_decoding(image: Image.Image) -> None:
    """Set up a JPEG for decoding at a half, quarter or eighth of its size, but no smaller than its preview."""
    longest = max(image.size)
    image.draft(None, (image.width * PREVIEW // longest, image.height * PREVIEW // longest))


def _png(image: Image.Image) -> tuple[Image.Image, bytes]:
    """Return the page of a TIFF, turned and converted for browsers, and its PNG."""
    buffer = io.BytesIO()
    try:
        ImageOps.exif_transpose(image, in_place=True)
        page = _as_png(image)
        page.save(buffer, "PNG")
    except _DAMAGE as error:
        raise Unfit("is a TIFF that cannot be shown in a browser: convert it to PNG") from error
    if buffer.tell() > MOST_PNG_BYTES:
        raise Unfit(f"is a TIFF of more than {MOST_PNG_BYTES // _MIB} MiB as PNG: make it smaller")
    return page, buffer.getvalue()


def _as_png(page: Image.Image) -> Image.Image:
    if page.mode in ("F", "I"):
        return _stretched(page)
    if page.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        return page
    page = page.convert("RGB")
    page.info.pop("icc_profile", None)  # the profile was for the colours before the conversion
    return page


def _stretched(page: Image.Image) -> Image.Image:
    """Stretch the greys of a page to 8 bits over their own range, a few rows at a time: numpy takes much memory."""
    import numpy as np  # only here: few images need numpy, and it doubles the memory of the process

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


def _smaller(image: Image.Image, longest: int) -> tuple[bytes, bytes]:
    """Preview and thumbnail; b"" for a picture that is not needed or that Pillow cannot make.

    `longest` is the longest side of the whole image; `image` may be decoded at a fraction of that.
    """
    if longest < _WORTH_IT * THUMBNAIL:
        return b"", b""
    try:
        moving = image.format in ("GIF", "WEBP", "PNG") and getattr(image, "is_animated", False)
        large = longest >= _WORTH_IT * PREVIEW
        picture = _upright(_near(image, PREVIEW), image)
        profile = image.info.get("icc_profile", b"") if image.mode.startswith("RGB") else b""
        more = {"icc_profile": profile} if 0 < len(profile) <= _MOST_PROFILE_BYTES else {}
        picture = _resized(picture, PREVIEW) if large else picture
        preview = _webp(picture, more) if large and not moving else b""
        return preview, _webp(_resized(picture, THUMBNAIL), more)
    except _DAMAGE:
        return b"", b""


def _near(image: Image.Image, longest: int) -> Image.Image:
    """Return the image in plain colours, reduced by an integer factor to no less than twice the side `longest`.

    A few rows at a time, because the conversion of a whole image would take a multiple of its memory.
    """
    factor = max(1, max(image.size) // (2 * longest))
    rows = factor * max(1, _ROWS // factor)
    near = None
    for top in range(0, image.height, rows):
        part = _plain(image.crop((0, top, image.width, min(top + rows, image.height)))).reduce(factor)
        near = near or Image.new(part.mode, (part.width, -(-image.height // factor)))
        near.paste(part, (0, top // factor))
    assert near is not None
    return near


def _plain(image: Image.Image) -> Image.Image:
    """Return the image in 8 bits as browsers show it: in the mode L, RGB or RGBA."""
    if image.mode.startswith("I;16"):
        return image.convert("I").point(lambda grey: grey / 256).convert("L")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _resized(image: Image.Image, longest: int) -> Image.Image:
    scale = longest / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def _upright(picture: Image.Image, original: Image.Image) -> Image.Image:
    """Return the picture turned by the EXIF orientation of `original`; the picture itself has lost its EXIF data."""
    picture.getexif()[_ORIENTATION] = original.getexif().get(_ORIENTATION, 1)
    turned = ImageOps.exif_transpose(picture)
    turned.info.pop("exif", None)
    return turned


def _webp(picture: Image.Image, more: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", exif=b"", **_QUALITY, **more)
    return buffer.getvalue()


def _check_pixels(image: Image.Image, max_pixels: int) -> None:
    """Raise `Unfit` if the image has too many pixels by its header."""
    most = max_pixels if image.format in LEAN else min(max_pixels, MOST_PIXELS)
    width, height = image.size
    if width * height > most:
        advice = "make it smaller" if most == max_pixels else "make it smaller, or save it as JPEG or PNG"
        raise Unfit(f"has {width:,} × {height:,} pixels, more than {most / 1e6:g} million pixels: {advice}")


def _decoded_bytes(image: Image.Image, more: float) -> float:
    """Return the bytes of the decoded image, by its header, plus `more`. Raises `Unfit` if they exceed the limit."""
    lean = image.format in LEAN
    most = MOST_LEAN_BYTES if lean else MOST_DECODED_BYTES
    per_pixel = _LEAN_PIXEL_BYTES.get(image.mode, 4) if lean else _pixel_bytes(image)
    decoded = image.width * image.height * per_pixel + more
    if decoded > most:
        raise Unfit(
            f"takes {decoded / 1e6:.0f} MB when it is decoded, more than {most / 1e6:.0f} MB: make it smaller, or save "
            f"it {'as a plain JPEG' if lean else 'with fewer bits a pixel'}"
        )
    return decoded


def _coefficient_bytes(image: Image.Image) -> float:
    """Return what a progressive JPEG needs beside its pixels: two bytes for each sample of the full size; else 0."""
    if "progressive" not in image.info or image.format not in ("JPEG", "MPO"):
        return 0
    sampling = [across * down for _, across, down, _ in image.layer]  # type: ignore[attr-defined]
    return 2 * image.width * image.height * sum(sampling) / max(sampling)


def _pixel_bytes(image: Image.Image) -> float:
    """Return the bytes of a decoded pixel. The pixels of a TIFF may be deeper than those of any mode of Pillow."""
    size = _PIXEL_BYTES.get(image.mode, 4)
    if image.format != "TIFF":
        return size
    tags = image.tag_v2  # type: ignore[attr-defined]
    return float(max(size, max(tags.get(_BITS_PER_SAMPLE, (1,))) * tags.get(_SAMPLES_PER_PIXEL, 1) / 8))


def _what_else(data: bytes) -> str:
    if data[4:8] == b"ftyp":
        return "is a HEIC or AVIF photograph: export it as JPEG"
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return "is an SVG drawing, which may carry scripts: convert it to PNG"
    if head.startswith(b"<"):
        return "is a web page or XML, not an image"
    return "is not a PNG, JPEG, GIF, WEBP, BMP or TIFF image, or is damaged"
