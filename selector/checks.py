"""Checks of arguments that several modules share. Each failure is one line that names the argument."""

import math
import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def whole_number(value: Any, name: str, *, least: int) -> int:
    """Return `value` as an int, or raise ValueError if it is no whole number of at least `least`."""
    try:
        number = least - 1 if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return number


def factor(value: Any, name: str) -> float:
    """Return `value` as a float, or raise ValueError if it is no finite number of at least 1."""
    number = _float(value)
    if not (math.isfinite(number) and number >= 1):
        raise ValueError(f"{name} must be a finite number of at least 1, not {value!r}")
    return number


def level(value: Any, name: str) -> float:
    """Return `value` as a float, which may be infinite, or raise ValueError if it is no number."""
    number = _float(value)
    if math.isnan(number):
        raise ValueError(f"{name} must be a number, not {value!r}")
    return number


def share(value: Any, name: str) -> float:
    """Return `value` as a float, or raise ValueError if it is no number from 0 to 1."""
    number = _float(value)
    if not 0 <= number <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1, not {value!r}")
    return number


def _float(value: Any) -> float:
    """Convert to a float; NaN stands for a value that is no number."""
    if isinstance(value, str | bytes | bool | np.bool_):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def real_rows(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return `values` as an (n, d) array of real numbers, not copied and not converted; else ValueError."""
    array = np.asarray(values)
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{name} must be a two-dimensional array of real numbers, not shape {array.shape} of {array.dtype}"
        )
    return array


def scores(values: ArrayLike | None, name: str) -> NDArray[Any]:
    """Return `values` as an (n,) array of real numbers that are not NaN, or raise ValueError."""
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be one real number an item, not shape {array.shape} of {array.dtype}")
    if np.isnan(array).any():
        raise ValueError(f"{name} must not be NaN (item {int(np.isnan(array).argmax())})")
    return array


def cluster_ids(clusters: ArrayLike, items: int) -> NDArray[Any]:
    """Return `clusters` as an (items,) array of signed or short whole numbers, not copied; or raise ValueError."""
    array = np.asarray(clusters)
    if array.shape != (items,) or (items and array.dtype.kind not in "iu"):
        raise ValueError(
            f"clusters must be one whole number for each of {items} items, not shape {array.shape} of {array.dtype}"
        )
    # Only the last of these types has numbers that int64, in which clusters are given back, does not.
    return array.astype(np.int64) if array.dtype.kind not in "iu" or array.dtype == np.uint64 else array


def generator(value: Any) -> np.random.Generator:
    """Return `value`, or raise ValueError if it is no numpy Generator."""
    if not isinstance(value, np.random.Generator):
        raise ValueError(f"rng must be a numpy.random.Generator, not {type(value).__name__}")
    return value
