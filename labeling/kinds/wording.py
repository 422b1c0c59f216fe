"""The errors of a row, and the texts of values and sizes, in the same words for all kinds."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

MIB = 1024 * 1024
EXCERPT = 200  # characters of a rejected row that pages show


class BadValue(ValueError):
    """A value of a row is not allowed. The message says which value, and why."""


class BadFile(ValueError):
    """A file cannot be read or is not of the right kind. The message ends the sentence "the image …"."""


def is_blank(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def plain(value: Any) -> Any:
    """Return arrays and numbers of NumPy as lists and numbers of Python; other values unchanged."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def whole(value: Any) -> Any:
    """Return a float that is a whole number as an int; other values unchanged."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def type_name(value: Any) -> str:
    """Return the type of a value in plain words."""
    names: Mapping[type, str] = {bool: "yes or no", int: "number", float: "number", str: "text", dict: "JSON object"}
    return names.get(type(value), "list" if isinstance(value, (list, np.ndarray)) else type(value).__name__)


def value_text(value: Any) -> str:
    """Return the text of a value for pages; fractions are rounded to five significant digits."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.5g}"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, float) else str(int(value))


def excerpt(raw: bytes | str) -> str:
    """Return the first 200 characters of `raw`, with unprintable characters replaced."""
    text = raw[: 4 * EXCERPT].decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return printable(text[:EXCERPT])


def printable(text: str) -> str:
    """Replace unprintable characters of `text` by a space or U+FFFD."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def too_large(limit: int) -> str:
    return f"is larger than {size(limit)}: make it smaller"


def size(count: int) -> str:
    """Return a number of bytes as people write it."""
    return f"{count / MIB:.3g} MiB" if count >= MIB else f"{count:,} bytes"
