"""Convert Arrow columns to Python values of limited size; an unreadable value does not affect its neighbours."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from labeling.kinds.wording import excerpt, size


class Unreadable(str):
    """An unreadable cell; the text gives the reason."""

    __slots__ = ()


def cells(column: pa.Array, *, limit: int) -> list[Any]:
    """Return the values of a column; None for null, `Unreadable` for a value that is damaged or longer than `limit`
    bytes.

    Lists of numbers become arrays, with NaN for null; structs become dicts; maps become lists of dicts of key and
    value.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _dictionary(column, limit)
    if pa.types.is_struct(kind):
        return _structs(column, limit)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        if is_number(kind.value_type):
            return [cell.values.to_numpy(zero_copy_only=False) if cell.is_valid else None for cell in column]
        return _lists(column, limit)
    if pa.types.is_map(kind):
        return [_map(row, limit) for row in column]
    return _leaves(column, limit)


def is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, shortened and printable."""
    return excerpt((str(error) or type(error).__name__).splitlines()[0])


def _dictionary(column: pa.DictionaryArray, limit: int) -> list[Any]:
    used = column.indices.drop_null().unique()
    values = dict(zip(used.to_pylist(), _leaves(column.dictionary.take(used), limit), strict=True))
    return [None if index is None else values[index] for index in column.indices.to_pylist()]


def _structs(column: pa.StructArray, limit: int) -> list[Any]:
    names = [column.type.field(number).name for number in range(column.type.num_fields)]
    parts = [cells(part, limit=limit) for part in column.flatten()]
    rows: list[Any] = []
    for valid, *row in zip(column.is_valid().to_pylist(), *parts, strict=True):
        rows.append(_readable(row, dict(zip(names, row, strict=True))) if valid else None)
    return rows


def _lists(column: pa.Array, limit: int) -> list[Any]:
    values = cells(column.flatten(), limit=limit)
    rows: list[Any] = []
    at = 0
    for length in pc.list_value_length(column).to_pylist():
        row = values[at : at + (length or 0)]
        at += length or 0
        rows.append(None if length is None else _readable(row, row))
    return rows


def _map(row: pa.MapScalar, limit: int) -> Any:
    if not row.is_valid:
        return None
    pairs = cells(row.values, limit=limit)
    return _readable(pairs, pairs)


def _readable(parts: list[Any], value: Any) -> Any:
    """Return `value`; if one of its `parts` is unreadable, return that part instead."""
    return next((part for part in parts if isinstance(part, Unreadable)), value)


def _leaves(column: pa.Array, limit: int) -> list[Any]:
    if pa.types.is_binary(column.type) or pa.types.is_string(column.type):
        lengths = pc.binary_length(column).to_pylist()
        if any(length is not None and length > limit for length in lengths):
            too_long = Unreadable(f"it is longer than {size(limit)}")
            pairs = zip(lengths, column, strict=True)
            return [too_long if length is not None and length > limit else _leaf(leaf) for length, leaf in pairs]
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):  # not UTF-8, a date beyond the calendar: find out which
        return [_leaf(leaf) for leaf in column]


def _leaf(leaf: pa.Scalar) -> Any:
    try:
        return leaf.as_py()
    except UnicodeDecodeError:
        return Unreadable("it is not UTF-8")
    except (ValueError, OverflowError) as error:
        return Unreadable(first_line(error))
