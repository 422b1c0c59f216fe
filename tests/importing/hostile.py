"""Files that no honest user sends, generated on the spot, with the expected outcome of each.

`taken`: the number of imported items, whatever their neighbours. `says`: a part of the message with the problem, for
the refused file or for a rejected row; "" without a problem.
"""

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

MIB = 1 << 20


class Hostile(NamedTuple):
    name: str  # what the upload is called
    kind: str  # of the project
    make: Callable[[], bytes]
    taken: int
    says: str = ""

    def __str__(self) -> str:
        return self.make.__name__.strip("_")


def png(size: tuple[int, int] = (8, 6), color: int = 90) -> bytes:
    return encoded(Image.new("RGB", size, (color, 120, 30)), "PNG")


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def noise(size: tuple[int, int] = (64, 64), mode: str = "RGB") -> Image.Image:
    return Image.effect_noise(size, 60).convert(mode)


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip of these files, followed by a valid image, which must be imported in any case."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in {**files, "good.png": png()}.items():
            archive.writestr(name, content)
    return buffer.getvalue()


# --- zip files


def zip_escapes() -> bytes:
    return zipped({"../../evil.png": png(color=1), "a/../../evil.png": png(color=2)})


def zip_bomb() -> bytes:
    return zipped({f"{number}.png": bytes(20 * MIB) for number in range(5)})


def zip_of_odd_names() -> bytes:
    names = ["\u202egnp.exe.png", "bell\x07.png", "new\nline.png", "x" * 300 + ".png"]
    return zipped({name: png(color=number) for number, name in enumerate(names)})


# --- images, each in a zip file beside a good one


def image(name: str, content: bytes) -> bytes:
    return zipped({name: content})


def gif_of_10_000_frames() -> bytes:
    """Return an animation of 10,000 frames, of which only the first one counts."""
    head = b"GIF89a" + struct.pack("<2H3B", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x21\xf9\x04\0\1\0\0\0" + b"\x2c" + struct.pack("<4HB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"
    return image("film.gif", head + frame * 10_000 + b"\x3b")


def webp_of_10_000_frames() -> bytes:
    def part(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)

    still = encoded(Image.new("RGB", (4, 4)), "WEBP", lossless=True)[12:]
    frame = part(b"ANMF", bytes(6) + b"\3\0\0\3\0\0" + b"\x64\0\0\0" + still)
    animation = part(b"VP8X", b"\2\0\0\0\3\0\0\3\0\0") + part(b"ANIM", bytes(6)) + frame * 10_000
    return image("film.webp", b"RIFF" + struct.pack("<I", 4 + len(animation)) + b"WEBP" + animation)


def gif_that_is_a_zip_too() -> bytes:
    """Return a GIF that is also a zip; browsers may only get it as an image."""
    return image("gifar.gif", encoded(noise(), "GIF") + zipped({}))


def jpeg_with_a_page_behind() -> bytes:
    return image("polyglot.jpg", encoded(noise(), "JPEG") + b"<script>alert(document.domain)</script>")


def tiff_of_many_pages() -> bytes:
    page = Image.new("L", (8, 8))
    return image("book.tif", encoded(page, "TIFF", save_all=True, append_images=[page] * 300))


def heic_called_jpg() -> bytes:
    return image("IMG_0001.jpg", b"\0\0\0\x18ftypheic" + bytes(100))


# --- text


def nothing() -> bytes:
    return b""


def csv_formulas() -> bytes:
    return b"id,text\n=1+1,\"=cmd|' /C calc'!A0\"\n@x,+1\n"


def csv_line_of_50_mb() -> bytes:
    return b"id,text\n1,one\n2," + b"x" * (50 * MIB) + b"\n3,three\n"


def csv_of_many_columns() -> bytes:
    return b"text," + ",".join(f"c{number}" for number in range(50_000)).encode() + b"\nx" + b"," * 50_000


def json_huge_numbers() -> bytes:
    numbers = ["1" * 30, "1e308", "-1e300", "NaN", "Infinity", "1e400", "9" * 3000 + ', "nan": NaN']
    return "\n".join(f'{{"text": "{at}", "n": {number}}}' for at, number in enumerate(numbers)).encode()


def json_half_characters() -> bytes:
    return b'{"text": "one"}\n{"text": "\\ud800"}\n{"text": "\\u0000"}\n{"\\ud800": 1, "text": "x"}'


# --- tables and arrays


def table(**columns: pa.Array) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def parquet_odd_types() -> bytes:
    return table(
        text=pa.array(["one", "two"]),
        nested=pa.array([[{"a": [1, 2]}], None]),
        dates=pa.array([10**8, 0], pa.date32()),
        money=pa.array(["1.5", None]).cast(pa.decimal128(38, 2)),
        times=pa.array([2**40, 0], pa.timestamp("s")),
        pairs=pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        raw=pa.array([b"\xff\0", None]),
        words=pa.array(["a", "b"]).dictionary_encode(),
        large=pa.array([2**64 - 1, 0], pa.uint64()),
        small=pa.array([float("inf"), float("nan")]),
    )


def parquet_bomb() -> bytes:
    return table(text=pa.DictionaryArray.from_arrays(np.zeros(3000, np.int32), ["x" * (MIB - 100)]))


def npy_pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}, print], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def npy_with_nan() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([[1, 2], [np.nan, 1], [np.inf, 1], [1e30, 2]], np.float64))
    return buffer.getvalue()


ALL = [
    Hostile("a.zip", "image", zip_escapes, 1, "leads out of the zip file"),
    Hostile("a.zip", "image", zip_bomb, 0, "would unpack to"),
    Hostile("a.zip", "image", zip_of_odd_names, 2, "cannot be stored"),
    Hostile("a.zip", "image", gif_of_10_000_frames, 2),
    Hostile("a.zip", "image", webp_of_10_000_frames, 2),
    Hostile("a.zip", "image", gif_that_is_a_zip_too, 2),
    Hostile("a.zip", "image", jpeg_with_a_page_behind, 2),
    Hostile("a.zip", "image", tiff_of_many_pages, 2),
    Hostile("a.zip", "image", heic_called_jpg, 1, "HEIC"),
    Hostile("a.csv", "text", nothing, 0, "empty"),
    Hostile("a.csv", "text", csv_formulas, 2),
    Hostile("a.csv", "text", csv_line_of_50_mb, 2, "longer than 1 MiB"),
    Hostile("a.csv", "text", csv_of_many_columns, 0, "50,001 columns"),
    Hostile("a.jsonl", "text", json_huge_numbers, 6, "not valid JSON"),
    Hostile("a.jsonl", "text", json_half_characters, 1, "NUL character"),
    Hostile("a.parquet", "text", parquet_odd_types, 1, "cannot be read"),
    Hostile("a.parquet", "text", parquet_bomb, 16, "unpack to more than 200 times"),
    Hostile("a.npy", "vector", npy_pickled, 0, "not an array of plain numbers"),
    Hostile("a.npy", "vector", npy_with_nan, 2, "NaN"),
]
