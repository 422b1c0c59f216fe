"""Test that the pixels encoder turns any image file into the expected small picture."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_data import as_file
from PIL import Image, ImageDraw

from models_store import encoders
from models_store.encoders import EncodingError, Pixels
from tests.extent import examples

PIXELS = encoders.for_kind("image").fit([])


def seen(raw: bytes) -> np.ndarray:
    """Return (3, 32, 32) of one file."""
    features = PIXELS.encode([raw])
    assert features.shape == (1, 3072)
    assert features.dtype == np.uint8
    return features.reshape(3, 32, 32)


def corner(mode: str = "RGB") -> Image.Image:
    """Return a red image with a blue corner at the top left."""
    image = Image.new("RGB", (64, 64), "red")
    ImageDraw.Draw(image).rectangle([0, 0, 31, 31], fill="blue")
    return image.convert(mode)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG"])
def test_the_usual_formats_look_alike(kind):
    picture = seen(as_file(corner(), kind))
    np.testing.assert_allclose(picture[:, 5, 5], [0, 0, 255], atol=12)
    np.testing.assert_allclose(picture[:, 26, 26], [255, 0, 0], atol=12)


def test_shrinking_averages_instead_of_dropping_pixels():
    checkers = np.indices((256, 256)).sum(axis=0) % 2 * 255
    picture = seen(as_file(Image.fromarray(checkers.astype(np.uint8))))
    assert abs(picture.astype(int) - 127).max() <= 8


def test_a_large_photograph_is_read_at_a_fraction_of_its_size_and_looks_the_same():
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).resize((1600, 1200), Image.BICUBIC)
    whole = np.asarray(photo.resize((32, 32), Image.BILINEAR)).transpose(2, 0, 1)
    assert abs(seen(as_file(photo, "JPEG", quality=95)).astype(int) - whole).mean() < 4


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white(mode):
    image = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    ImageDraw.Draw(image).rectangle([0, 0, 39, 19], fill=(0, 0, 0, 255))
    picture = seen(as_file(image.convert(mode) if mode != "P" else image.quantize()))
    assert picture[:, :12].max() <= 2
    assert picture[:, 20:].min() >= 253


def test_a_camera_turned_on_its_side_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    picture = seen(as_file(corner(), "JPEG", exif=exif, quality=95))
    np.testing.assert_allclose(picture[:, 5, 26], [0, 0, 255], atol=12)


def test_sixteen_bit_greys_keep_their_shades():
    ramp = np.tile(np.linspace(100, 4000, 64).astype(np.uint16), (64, 1))  # 12 bits in 16, as microscopes write
    picture = seen(as_file(Image.fromarray(ramp)))
    assert picture[0, 10, 0] < 10
    assert picture[0, 10, -1] > 245
    assert (np.diff(picture[0, 10].astype(int)) > 0).all()


def test_floating_point_greys_and_flat_ones_work():
    assert seen(as_file(Image.fromarray(np.full((8, 8), np.nan, dtype=np.float32)), "TIFF")).max() == 0
    assert seen(as_file(Image.fromarray(np.eye(8, dtype=np.float32)), "TIFF")).max() > 200


def test_the_first_frame_of_an_animation_counts():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("lime", "red")]
    picture = seen(as_file(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert picture[1].min() == 255
    assert picture[0].max() == 0


def test_cmyk_photographs_and_single_pixels_work():
    assert seen(as_file(corner("CMYK"), "JPEG")).shape == (3, 32, 32)
    assert seen(as_file(Image.new("1", (1, 1), 1))).min() == 255
    assert PIXELS.encode([]).shape == (0, 3072)


@pytest.mark.parametrize(
    "raw",
    [b"", b"not an image", b"\x89PNG\r\n\x1a\n", as_file(corner())[:60], as_file(corner(), "JPEG")[:200], "text", None],
)
def test_what_is_no_image_is_refused_and_its_place_is_told(raw):
    with pytest.raises(EncodingError, match="item 1: ") as caught:
        PIXELS.encode([as_file(corner()), raw])
    assert caught.value.index == 1


def test_an_image_that_would_fill_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr("models_store.encoders.pictures.MOST_PIXELS", 1000)
    with pytest.raises(EncodingError, match="too many pixels"):
        PIXELS.encode([as_file(Image.new("1", (100, 100)))])


@pytest.mark.filterwarnings("ignore:::PIL")
@settings(max_examples=examples(300), deadline=None)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6)), min_size=1, max_size=4),
)
def test_damaged_files_give_a_picture_or_an_encoding_error_and_nothing_else(kind, cuts):
    raw = bytearray(as_file(corner().resize((24, 20)), kind))
    for where, patch in cuts:
        at = int(where * len(raw))
        raw[at : at + len(patch)] = patch
    with contextlib.suppress(EncodingError):
        assert PIXELS.encode([bytes(raw)]).shape == (1, 3072)


def test_larger_pictures_show_what_small_ones_blur(tmp_path):
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    raw = as_file(Image.fromarray(stripes))
    large = Pixels.fit([], size=64)
    features = large.encode([raw])
    assert (features.shape, large.input_shape) == ((1, 3 * 64 * 64), (3, 64, 64))
    assert features.std() > 100 > 10 > PIXELS.encode([raw])[:, 1:-1].std()
    large.save(tmp_path / "encoder.npz")
    np.testing.assert_array_equal(encoders.load(tmp_path / "encoder.npz").encode([raw]), features)
    assert large.digest != PIXELS.digest


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "1", "I;16"])
def test_large_images_are_averaged_first_and_look_the_same(mode, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    shades = np.linspace(0, 255, 700).astype(np.uint8)
    image = Image.fromarray(np.tile(shades, (300, 1)))
    if mode == "I;16":
        image = Image.fromarray(np.tile(shades.astype(np.uint16) * 100, (300, 1)))
    raw = as_file(image.convert(mode) if mode != "I;16" else image, exif=exif)
    whole = PIXELS.encode([raw]).astype(int)
    monkeypatch.setattr("models_store.encoders.pictures._LARGE_PIXELS", 1000)
    assert np.abs(PIXELS.encode([raw]).astype(int) - whole).max() <= 4
