"""Test which files are accepted as images."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_files import open_image, picture
from PIL import Image

from labeling.kinds import BadFile
from tests.extent import examples

FORMATS = {"PNG": ".png", "JPEG": ".jpg", "GIF": ".gif", "WEBP": ".webp", "BMP": ".bmp", "TIFF": ".png"}
PICTURES = {form: picture(form, (40, 30)) for form in FORMATS}


def stored_as(data: bytes) -> str:
    return open_image(data)[1]


@pytest.mark.parametrize("form", FORMATS)
def test_the_suffix_is_that_of_what_is_stored(form):
    assert stored_as(PICTURES[form]) == FORMATS[form]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "I;16", "CMYK", "F"])
def test_any_kind_of_pixel_will_do(mode):
    buffer = io.BytesIO()
    Image.new(mode, (5, 5)).save(buffer, "TIFF")
    assert stored_as(buffer.getvalue()) == ".png"


def test_pictures_of_phones_with_more_behind_them_are_jpeg():
    buffer = io.BytesIO()
    frame = Image.new("RGB", (8, 8))
    frame.save(buffer, "MPO", save_all=True, append_images=[frame])
    assert stored_as(buffer.getvalue()) == ".jpg"


def test_an_animation_is_an_image():
    buffer = io.BytesIO()
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 99, 200)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    assert stored_as(buffer.getvalue()) == ".gif"


@pytest.mark.parametrize("form", FORMATS)
def test_an_image_that_is_cut_short_is_refused(form):
    data = PICTURES[form]
    for length in (0, 1, 10, len(data) // 2, len(data) * 3 // 4):
        with pytest.raises(BadFile):
            open_image(data[:length])


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "is empty"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG drawing"),
        (b"\n <!DOCTYPE html><script>alert(1)</script>", "web page"),
        (b"%PDF-1.7", "not a PNG"),
        (b"\0" * 100, "not a PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a PNG"),
        (b"P6 2 2 255 " + bytes(12), "not a PNG"),
    ],
)
def test_what_is_no_raster_image_is_refused(data, complaint):
    with pytest.raises(BadFile, match=complaint):
        open_image(data)


def png_claiming(width: int, height: int) -> bytes:
    """Return a PNG whose header states a size that its data does not have."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(16_000, 16_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_pixel_bombs_are_refused_by_their_header(size):
    with pytest.raises(BadFile, match="more than 250 million pixels"):
        open_image(png_claiming(*size))


def test_the_limits_are_the_callers():
    with pytest.raises(BadFile, match="40 × 30 pixels"):
        open_image(PICTURES["PNG"], most_content=1199)
    with pytest.raises(BadFile, match="larger than 100 bytes"):
        open_image(PICTURES["PNG"], most_bytes=100)
    assert open_image(PICTURES["PNG"], most_content=1200)


def test_text_that_unpacks_to_megabytes_within_a_png_is_refused():
    body = b"a\0\0" + zlib.compress(bytes(200 * 2**20))
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    data = PICTURES["PNG"]
    with pytest.raises(BadFile):
        open_image(data[:33] + chunk + data[33:])


@given(form=st.sampled_from(sorted(FORMATS)), seed=st.integers(0, 2**32 - 1), count=st.integers(1, 30))
@settings(max_examples=examples(400), deadline=None)
def test_damaged_bytes_make_an_image_or_a_refusal_and_nothing_else(form, seed, count):
    rng = np.random.default_rng(seed)
    data = np.frombuffer(PICTURES[form], np.uint8).copy()
    reach = len(data) if seed % 2 else min(len(data), 200)  # the header, where it hurts most, half of the time
    data[rng.integers(0, reach, count)] = rng.integers(0, 256, count)
    with contextlib.suppress(BadFile):
        assert stored_as(data.tobytes()) in FORMATS.values()
