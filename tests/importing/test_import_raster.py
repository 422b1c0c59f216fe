"""Test which files are accepted as images, and the process that opens them: a file that ends it is one bad row."""

import contextlib
import io
import os
import signal
import struct
import sys
import threading
import time
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command
from factories import make_project
from hypothesis import given, settings
from hypothesis import strategies as st
from import_files import IMAGE, open_image, picture, write_parquet, write_zip
from PIL import Image
from processes import ON_LINUX

from labeling.intake.readers import UnreadableFile, open_source, parquet_file
from labeling.kinds import BadFile
from labeling.kinds.image import Image as ImageKind
from labeling.kinds.opening import Opener
from labeling.models import Item, RejectedRow
from tests.extent import examples, some

FORMATS = {"PNG": ".png", "JPEG": ".jpg", "GIF": ".gif", "WEBP": ".webp", "BMP": ".bmp", "TIFF": ".png"}
PICTURES = {form: picture(form, (40, 30)) for form in FORMATS}


def stored_as(data: bytes) -> str:
    return open_image(data)[1]


@pytest.mark.parametrize("form", FORMATS)
def test_the_suffix_is_that_of_what_is_stored(form):
    assert stored_as(PICTURES[form]) == FORMATS[form]


def saved(mode: str, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (8, 8)).save(buffer, form, **options)
    return buffer.getvalue()


FRAMES = {"save_all": True, "append_images": [Image.new("RGB", (8, 8), shade) for shade in ("red", "blue")]}


def test_any_kind_of_pixel_an_animation_and_a_phone_s_picture_with_more_behind_it_will_do():
    for mode in ("1", "L", "P", "RGBA", "I;16", "CMYK", "F"):
        assert stored_as(saved(mode, "TIFF")) == ".png"
    for form, suffix in (("MPO", ".jpg"), ("GIF", ".gif")):
        assert stored_as(saved("RGB", form, **FRAMES)) == suffix


@pytest.mark.parametrize("form", FORMATS)
def test_an_image_that_is_cut_short_is_refused(form):
    data = PICTURES[form]
    for length in (0, 1, 10, len(data) // 2, len(data) * 3 // 4):
        with pytest.raises(BadFile):
            open_image(data[:length])


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_claiming(width: int, height: int) -> bytes:
    """Return a PNG whose header states a size that its data does not have."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def png_with(kind: bytes, start: bytes) -> bytes:
    """Return a PNG with a chunk that unpacks to megabytes."""
    plain = PICTURES["PNG"]
    return plain[:33] + chunk(kind, start + zlib.compress(bytes(200 * 2**20))) + plain[33:]


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
        (png_claiming(16_000, 16_000), "more than 250 million pixels"),
        (png_claiming(60_000, 60_000), "more than 250 million pixels"),
        (png_claiming(2**31 - 1, 2**31 - 1), "more than 250 million pixels"),
        (png_with(b"zTXt", b"a\0\0"), "damaged"),
        (png_with(b"iTXt", b"a\0\1\0\0\0"), "damaged"),
        (png_with(b"iCCP", b"a\0\0"), "damaged"),
    ],
    ids=range(13),
)
def test_what_is_no_raster_image_or_is_a_bomb_is_refused(data, complaint):
    with pytest.raises(BadFile, match=complaint):
        open_image(data)


def test_the_limits_are_the_callers():
    with pytest.raises(BadFile, match="40 × 30 pixels"):
        open_image(PICTURES["PNG"], most_content=1199)
    with pytest.raises(BadFile, match="larger than 100 bytes"):
        open_image(PICTURES["PNG"], most_bytes=100)
    assert open_image(PICTURES["PNG"], most_content=1200)


@given(form=st.sampled_from(sorted(FORMATS)), seed=st.integers(0, 2**32 - 1), count=st.integers(1, 30))
@settings(max_examples=examples(400), deadline=None)
def test_damaged_bytes_make_an_image_or_a_refusal_and_nothing_else(form, seed, count):
    rng = np.random.default_rng(seed)
    data = np.frombuffer(PICTURES[form], np.uint8).copy()
    reach = len(data) if seed % 2 else min(len(data), 200)  # the header, where it hurts most, half of the time
    data[rng.integers(0, reach, count)] = rng.integers(0, 256, count)
    with contextlib.suppress(BadFile):
        assert stored_as(data.tobytes()) in FORMATS.values()


ROOT = Path(__file__).resolve().parents[2]


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def large_tiff(mode: str = "L", size: tuple[int, int] = (10_000, 5000)) -> bytes:
    return encoded(Image.new(mode, size), "TIFF", compression="tiff_adobe_deflate")


def megabytes(pid: int | str, name: str) -> float:
    line = next(each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith(name))
    return int(line.split()[1]) / 1024


def kill_at(size: float) -> threading.Thread:
    """Kill the process that opens images at this many megabytes, as a system short of memory does."""

    def watch() -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with suppress(OSError, StopIteration, AttributeError):  # there is none at the moment
                pid = ImageKind.opener._process.pid  # type: ignore[union-attr]
                if megabytes(pid, "VmRSS") > size:
                    os.kill(pid, signal.SIGKILL)
                    return
            time.sleep(0.001)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@ON_LINUX
@pytest.mark.django_db
def test_an_image_that_ends_the_process_is_one_bad_row(tmp_path: Path) -> None:
    make_project(kind="image")
    files = {f"{number}.png": picture(color=number) for number in range(6)} | {"3.tif": large_tiff("F", (7000, 5000))}
    watcher = kill_at(60)
    call_command("import_items", "digits", str(write_zip(tmp_path / "a.zip", files)), stdout=io.StringIO())
    watcher.join()
    assert sorted(Item.objects.values_list("source", flat=True)) == [f"{number}.png" for number in range(6)]
    row = RejectedRow.objects.get()
    assert row.where == "3.tif"
    assert row.reason.startswith("The image takes too much memory or time to be opened: make it smaller")


def slow_process(cpu_seconds: int, seconds: int) -> list[str]:
    """Return the command that opens images, with other limits."""
    program = (
        "from pathlib import Path; import sys; from labeling.kinds import child, raster;"
        f"child.CPU_SECONDS, child.SECONDS = {cpu_seconds}, {seconds};"
        "child.main(raster, sys.stdin.buffer, sys.stdout.buffer, Path(child.__file__).open('rb'))"
    )
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {program}"]


@pytest.mark.long
@pytest.mark.parametrize(("cpu_seconds", "seconds"), some([(0, 60), (20, 1)]))
def test_an_image_that_takes_too_long_is_refused_and_the_next_goes_in(
    cpu_seconds: int, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opener = Opener("raster.py")
    opener.command = slow_process(cpu_seconds, seconds)
    monkeypatch.setattr(ImageKind, "opener", opener)
    slow = encoded(Image.effect_noise((5000, 5000), 80).convert("RGB"), "TIFF")  # some three seconds of packing as PNG
    first, second, third = IMAGE.open([picture(), slow, picture()], most_bytes=len(slow))
    assert isinstance(second, BadFile)
    assert "memory or time" in str(second)
    assert not isinstance(first, BadFile)
    assert not isinstance(third, BadFile)


def test_a_process_that_has_rested_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    opener = Opener("raster.py")
    monkeypatch.setattr(ImageKind, "opener", opener)
    assert open_image(picture())[1] == ".png"
    assert opener._process
    assert opener._process.stdin
    os.dup2(os.open(os.devnull, os.O_WRONLY), opener._process.stdin.fileno())  # it ends, as it does after a rest
    assert opener._process.wait() == 0
    assert open_image(picture())[1] == ".png"


@pytest.mark.long
@pytest.mark.parametrize(
    ("mode", "size", "megabytes"),
    some([("F", (10_000, 5000), 200), ("RGBA", (10_000, 4500), 180), ("I", (9000, 5000), 180)]),
)
def test_what_a_pixel_takes_counts(mode: str, size: tuple[int, int], megabytes: int) -> None:
    with pytest.raises(BadFile, match=f"takes {megabytes} MB when it is decoded, more than 160 MB"):
        open_image(large_tiff(mode, size))


@pytest.mark.long
@ON_LINUX
def test_the_largest_images_leave_this_process_small() -> None:
    largest = {
        "WEBP": encoded(Image.new("RGB", (10_000, 5000), (9, 9, 9)), "WEBP", lossless=True, method=0),
        "TIFF": large_tiff("F", (7000, 5000)),
        "PNG": encoded(Image.new("RGB", (10_000, 5000)), "PNG"),
    }
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    before = megabytes("self", "VmRSS")
    for form, image in largest.items():
        assert open_image(image)[1] in (".webp", ".png"), form
    assert megabytes("self", "VmHWM") - before < 60
    assert ImageKind.opener._process
    assert megabytes(ImageKind.opener._process.pid, "VmPeak") <= 1025


def test_greys_of_floating_point_are_stretched_as_before() -> None:
    grey = np.linspace(-3, 7, 600 * 20, dtype=np.float32).reshape(600, 20)
    grey[0, 0], grey[500, 3] = np.nan, np.inf
    shown = np.asarray(Image.open(io.BytesIO(open_image(encoded(Image.fromarray(grey), "TIFF"))[0])))
    whole = np.nan_to_num(grey, posinf=0.0, neginf=0.0)
    assert (shown == ((whole - whole.min()) / float(np.ptp(whole)) * 255).astype(np.uint8)).all()


def test_a_parquet_file_that_takes_long_to_look_through_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"text": ["a"]})
    monkeypatch.setattr(parquet_file, "FOOTER_SECONDS", 0.001)
    with pytest.raises(UnreadableFile, match=r"a.parquet: the file takes more than 0.001 s to look through"):
        open_source(path, kind="text")
