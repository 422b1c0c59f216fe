"""Rows that the caller sends: JSON lines, cut into requests."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
"""An item: `id` and the content of its kind, for example `text`, and further columns of an import.

Bytes and paths of files become data URLs, NumPy arrays become lists.
"""

HEADERS = {"Content-Type": "application/x-ndjson"}
REQUEST_BYTES = 1_000_000
"""The server imports up to 1 MiB while the client waits, and larger requests in the background."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one request. `first`: the index of its first row."""

    first: int
    ids: list[str]
    content: bytes


def lines(rows: Iterable[Row], *, with_id: bool) -> Iterator[tuple[str, bytes]]:
    """Yield each row's id and its line. Raises `ValueError`, with the row's index, for a row that cannot be sent."""
    for index, row in enumerate(rows):
        name = row.get("id") if isinstance(row, Mapping) else None
        if not isinstance(row, Mapping):
            raise ValueError(f"The row at index {index} is a {type(row).__name__}, but must be a mapping.")
        if with_id and (isinstance(name, bool) or not isinstance(name, str | Integral) or name == ""):
            raise ValueError(f"The row at index {index} has no id, by which a repeated call adds nothing twice.")
        try:
            text = json.dumps(dict(row), ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
        except (TypeError, ValueError) as error:
            raise ValueError(f"The row at index {index} ({name}) cannot be sent: {error}.") from error
        yield str(name), text.encode("utf-8", "surrogatepass") + b"\n"


def chunks(rows: Iterable[Row]) -> Iterator[Chunk]:
    """Cut rows into requests of up to `REQUEST_BYTES`; a larger row has one of its own. Raises as `lines`."""
    first, ids, parts, size = 0, list[str](), list[bytes](), 0
    for name, line in lines(rows, with_id=True):
        if parts and size + len(line) > REQUEST_BYTES:
            yield Chunk(first, ids, b"".join(parts))
            first, ids, parts, size = first + len(ids), [], [], 0
        ids.append(name)
        parts.append(line)
        size += len(line)
    if parts:
        yield Chunk(first, ids, b"".join(parts))


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        value = value.read_bytes()
    if isinstance(value, bytes):
        return f"data:;base64,{base64.b64encode(value).decode()}"
    if hasattr(value, "tolist"):  # arrays and numbers of NumPy
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is no JSON value")
