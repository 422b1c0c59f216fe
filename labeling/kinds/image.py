"""Images: files that browsers show, recognised by their bytes."""

from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext_noop as _

from labeling.kinds import examples
from labeling.kinds.files import FileKind, Foreign
from labeling.kinds.opening import Opener
from labeling.kinds.wording import MIB

_PHONES = Foreign("photo", "HEIC or AVIF", "is a HEIC or AVIF photograph: export it as JPEG", "export as JPEG")


class Image(FileKind):
    """An item is a raster image. A TIFF, which browsers do not show, is stored as a PNG of its first page."""

    name = "image"
    sentence = "Images: photographs, scans, drawings"
    examples = "pictures of a circle, a square or a cross"
    noun = "image"
    plural = "images"
    columns = frozenset({"image", "file_name"})
    is_picture = True
    in_grids = True
    content_types = {
        ".png": "image/png",
        ".jpg": "image/jpeg",
        ".jpeg": "image/jpeg",
        ".gif": "image/gif",
        ".webp": "image/webp",
        ".bmp": "image/bmp",
        ".tif": "image/tiff",
        ".tiff": "image/tiff",
    }
    formats = "PNG, JPEG, GIF, WEBP, BMP or TIFF"
    suffixes = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".webp", ".bmp", ".tif", ".tiff"})
    shown_suffixes = MappingProxyType(
        {".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg", ".tif": ".png", ".tiff": ".png"}
    )
    foreign = dict.fromkeys((".heic", ".heif", ".avif"), _PHONES)
    folder = "images"
    most_bytes = 64 * MIB
    most_content = 250_000_000  # pixels; raster.py has lower limits for most formats
    opener = Opener("raster.py")
    keys = (
        ("Z", _("Show the whole image")),
        ("B", _("Brighter")),
        ("D", _("Darker")),
        ("P", _("Large pixels as squares, or smooth")),
    )
    signs = (
        ("+", _("Zoom in. The arrow keys then move the image; hold Shift where arrows answer or choose")),
        ("−", _("Zoom out")),
    )
    styles = ("css/kinds/image.css",)

    def example(self, number: int) -> dict[str, Any]:
        return {"image": examples.shape(number)}
