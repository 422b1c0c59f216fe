"""Convert values to forms that JSON and both databases can store."""

import math
from datetime import date, datetime, time
from typing import Any

import numpy as np

from labeling.kinds.wording import BadValue, printable

_DEPTH = 32
_LARGE = 2**63  # larger numbers are stored as text: few programs read them without loss


def json_safe(fields: dict[str, Any]) -> dict[str, Any]:
    """Return `fields` with None for NaN and infinities, text for huge numbers and dates, and a note for bytes.

    Raises BadValue for text that PostgreSQL cannot store (NUL, half of a surrogate pair) and for deep nesting.
    """
    return {
        _text(name, name): _text(value, name) if type(value) is str else _safe(value, name, 0)
        for name, value in fields.items()
    }


def _safe(value: Any, column: str, depth: int) -> Any:
    if depth > _DEPTH:
        raise BadValue(f'column "{printable(column)}" is nested more than {_DEPTH} levels deep')
    match value:
        case None | bool():
            return value
        case int():
            return value if -_LARGE <= value < _LARGE else hex(value) if value.bit_length() > 4096 else str(value)
        case str():
            return _text(value, column)
        case float():
            # PostgreSQL writes 1e30 out in full, which then reads as a whole number.
            return (value if abs(value) < _LARGE else repr(value)) if math.isfinite(value) else None
        case np.ndarray() | np.generic():
            return _safe(value.tolist(), column, depth)
        case list() | tuple():
            return [_safe(item, column, depth + 1) for item in value]
        case dict():
            return {_text(str(key), column): _safe(item, column, depth + 1) for key, item in value.items()}
        case bytes():
            return f"<{len(value)} bytes>"
        case datetime() | date() | time():
            return value.isoformat()
    return _text(str(value), column)


def _text(text: str, column: str) -> str:
    if "\0" in text:
        raise BadValue(f'column "{printable(column)}" holds a NUL character, which no database stores as text')
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadValue(f'column "{printable(column)}" holds half of a character (a lone surrogate)') from None
    return text
