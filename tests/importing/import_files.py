"""Helpers of the import tests: real files generated on the spot, and functions that read and check them."""

import base64
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from labeling.intake.checking import check_record
from labeling.intake.drafts import Draft, Rejection
from labeling.intake.readers import Record, open_source
from labeling.intake.rules import Rules
from labeling.kinds import BadFile
from labeling.kinds.image import Image as ImageKind
from labeling.questions import named

IMAGE = ImageKind()
CLASSES = ("cat", "dog", "great auk")


def rules(kind: str, question: str = "single", **settings: Any) -> Rules:
    return Rules(kind=kind, question=named(question), classes=CLASSES, **settings)  # type: ignore[arg-type]


def read(path: Path, kind: str, *, skip: int = 0, **settings: Any) -> list[Record]:
    with open_source(path, kind=kind, **settings) as source:
        return list(source.records(skip))


def checked(path: Path, given: Rules, **settings: Any) -> list[Draft | Rejection]:
    with open_source(path, kind=given.kind, **settings) as source:
        return [check_record(record, given, source) for record in source.rows()]


def split(results: list[Draft | Rejection]) -> tuple[list[Draft], list[Rejection]]:
    return [r for r in results if isinstance(r, Draft)], [r for r in results if isinstance(r, Rejection)]


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def picture(form: str = "PNG", size: tuple[int, int] = (8, 6), color: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size, 40 + color).convert("RGB").save(buffer, form)
    return buffer.getvalue()


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def write_folder(root: Path, files: Mapping[str, bytes | str]) -> Path:
    for name, content in files.items():
        write(root / name, content)
    return root


def write_zip(path: Path, files: Mapping[str, bytes | str], *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def open_image(image: bytes, **limits: int) -> tuple[bytes, str]:
    """Return the image for browsers and its suffix. Raises BadFile."""
    opened = next(IMAGE.open([image], **limits))
    if isinstance(opened, BadFile):
        raise opened
    return opened


def write_parquet(path: Path, columns: Mapping[str, Any], *, rows_a_group: int = 1000) -> Path:
    pq.write_table(pa.table(dict(columns)), path, row_group_size=rows_a_group)
    return path


def write_arrow(path: Path, columns: Mapping[str, Any]) -> Path:
    table = pa.table(dict(columns))
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table, max_chunksize=4)
    return path


def write_npy(path: Path, array: Any) -> Path:
    np.save(path, np.asarray(array), allow_pickle=False)
    return path
