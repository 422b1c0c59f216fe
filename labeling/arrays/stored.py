"""A dataclass of arrays, numbers and texts as one small file. No network."""

from __future__ import annotations

import io
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from labeling.disk import replace_file
from labeling.shared_files import store

Stored = TypeVar("Stored")


def save(path: Path, stored: Any) -> None:
    """Write the dataclass in one step."""
    buffer = io.BytesIO()
    np.savez(buffer, **{field.name: getattr(stored, field.name) for field in fields(stored)})
    replace_file(path, buffer.getbuffer())
    store().publish(path)


def load(path: Path, kind: type[Stored]) -> Stored | None:
    """The dataclass `kind` as it was stored, or None if there is none, or none that can be read."""
    try:
        with np.load(store().local(path), allow_pickle=False) as arrays:
            values = {field.name: arrays[field.name] for field in fields(kind)}  # type: ignore[arg-type]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return kind(**{name: value if value.ndim else value.item() for name, value in values.items()})
