"""What the kinds share: the errors of a row, and values and sizes in words."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

MIB = 1024 * 1024
EXCERPT = 200  # characters of a bad row that are kept to be shown


class BadValue(ValueError):
    """A value that an item cannot have. The message says which and why."""


class BadFile(ValueError):
    """A file cannot be had or is not what it should be. The message ends the sentence "the image …"."""


def is_blank(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def type_name(value: Any) -> str:
    """What a value is, for people."""
    names: Mapping[type, str] = {bool: "yes or no", int: "number", float: "number", str: "text", dict: "JSON object"}
    return names.get(type(value), "list" if isinstance(value, (list, np.ndarray)) else type(value).__name__)


def value_text(value: Any) -> str:
    """Numbers with at most five significant digits behind the point: enough to judge by, short enough to read."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.5g}"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, float) else str(int(value))


def excerpt(raw: bytes | str) -> str:
    """The beginning of `raw`, at most 200 characters, nothing unprintable in it."""
    text = raw[: 4 * EXCERPT].decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return printable(text[:EXCERPT])


def printable(text: str) -> str:
    """`text` with every character that cannot be shown or stored replaced."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def too_large(limit: int) -> str:
    return f"is larger than {size(limit)}: make it smaller"


def size(count: int) -> str:
    """A number of bytes as people write it."""
    return f"{count / MIB:.3g} MiB" if count >= MIB else f"{count:,} bytes"
