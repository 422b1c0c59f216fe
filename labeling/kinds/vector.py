"""Vectors: numbers in the column `vector`, in columns of their own, or in a `.npy` file."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from labeling.kinds import examples
from labeling.kinds.base import ItemContent, Kind, Surroundings
from labeling.kinds.wording import BadValue, excerpt, is_blank, printable, type_name, value_text

QUOTED = 8  # fields in a list


class Vector(Kind):
    """An item is a vector; all vectors of a project have one length. Numbers from columns keep their names."""

    name = "vector"
    sentence = "Vectors: measurements, or embeddings that you have computed"
    examples = "leaves of three plants, measured"
    noun = "vector"
    plural = "vectors"
    forms = frozenset({"npy"})
    takes_number_columns = True
    in_file_order = True
    bare = "a bare vector"

    def pop_content(self, fields: dict[str, Any], around: Surroundings) -> ItemContent:
        shown: dict[str, Any] = {}
        if "vector" in fields:
            vector = _as_vector(fields.pop("vector"), "number {} of the vector")
        elif around.number_columns:
            numbers = {column: _number(fields.pop(column, None), column) for column in around.number_columns}
            vector = _as_vector(list(numbers.values()), 'column "{}"', names=around.number_columns)
            shown = {column: _short(value) for column, value in numbers.items()}
        else:
            raise BadValue('column "vector" is missing')
        _check_length(vector, around.vector_length)
        return ItemContent(shown=shown, vector=vector)

    def example(self, number: int) -> dict[str, Any]:
        sizes = examples.measurements(number)
        return {**sizes, "vector": list(sizes.values())}

    def identity(self, data: Mapping[str, Any], media: str, vector: np.ndarray | None) -> bytes:
        return b"" if vector is None else vector.astype("<f4").tobytes()

    def excerpt(self, data: Mapping[str, Any]) -> str:
        return " · ".join(f"{name} {value_text(value)}" for name, value in list(data.items())[:QUOTED])


def number(cell: str) -> float | None:
    """Return the number in a cell, NaN and infinities included; None for other texts."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return None if "_" in cell else value  # float() accepts 1_000, which is not a number in a table


def _number(cell: Any, column: str) -> float:
    value = number(cell) if isinstance(cell, str) else cell
    if value is None:
        what = "is empty" if is_blank(cell) else f'holds "{excerpt(str(cell))[:60]}", which is not a number'
        raise BadValue(f'column "{printable(column)}" {what}')
    return float(value)


def _as_vector(value: Any, place: str, *, names: tuple[str, ...] = ()) -> np.ndarray:
    """Return a list or array of numbers as float32, (d,). `place`: the words for the place of a wrong number."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise BadValue('column "vector" is not a list of finite numbers such as [0.5, 1, 2]') from None
    if not isinstance(value, (list, np.ndarray)):
        raise BadValue(f'column "vector" must hold a list of numbers, not a {type_name(value)}')
    if isinstance(value, list) and not {type(item) for item in value} <= {int, float}:
        raise BadValue('column "vector" holds something other than numbers')
    if len(value) == 0:
        raise BadValue("the vector is empty")
    vector = _as_float32(value)
    finite = np.isfinite(vector)
    if not finite.all():
        at = int(finite.argmin())
        where = place.format(printable(names[at]) if names else at + 1)
        raise BadValue(f"{where} is {'NaN' if np.isnan(vector[at]) else 'infinite or too large'}")
    return vector


def _as_float32(value: list[Any] | np.ndarray) -> np.ndarray:
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        return value
    try:
        with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite
            return np.asarray(value, dtype=np.float64).astype(np.float32)
    except OverflowError:
        raise BadValue("the vector holds a number that is too large") from None


def _check_length(vector: np.ndarray, length: int | None) -> None:
    if length is not None and len(vector) != length:
        raise BadValue(f"the vector has {len(vector)} numbers where this project's have {length}")


def _short(value: float) -> int | float:
    """Format a number without needless decimals: 3.0 as 3."""
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
