"""The inputs of strategies: arrays over the unlabeled items."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selector.checks import real_rows, whole_number

# Larger numbers overflow float32 when they are squared and added up.
_LARGEST = np.float64(1e16)
_BLOCK_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class PoolArrays:
    """The arrays over the n unlabeled items; an array that the strategy does not need may be None.

    Parameters
    ----------
    size : int
        n.
    margins : array-like of shape (n,), optional
        p(best class) - p(second class).
    clusters : array-like of shape (n,), int, optional
        The cluster of each item.
    entropies : array-like of shape (n,), optional
        The entropy of the predicted probabilities.
    embeddings : array-like of shape (n, d), optional
        By the present model.
    errors : array-like of shape (n, e), optional
        The gradient of the loss by the logits if the model's answer were right: p - onehot(best class) for one class of
        many; or a projection of it that preserves products.
    centre_embeddings, centre_errors : array-like of shape (m, d) and (m, e), optional
        Of items that are labeled or in the batch already, from which the picked items should differ.

    Raises
    ------
    ValueError
        If a shape does not fit the others; the message names the array.
    """

    size: int
    margins: NDArray[Any] | None = None
    clusters: NDArray[Any] | None = None
    entropies: NDArray[Any] | None = None
    embeddings: NDArray[Any] | None = None
    errors: NDArray[Any] | None = None
    centre_embeddings: NDArray[Any] | None = None
    centre_errors: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        whole_number(self.size, "size", least=0)
        for field in fields(self)[1:]:
            values = getattr(self, field.name)
            if values is None:
                continue
            array = np.asarray(values)
            object.__setattr__(self, field.name, array)
            if not field.name.startswith("centre_") and array.shape[:1] != (self.size,):
                raise ValueError(f"{field.name} must have a row for each of {self.size} items, not shape {array.shape}")

        if self.errors is not None and (self.centre_embeddings is None) != (self.centre_errors is None):
            raise ValueError("centre_embeddings and centre_errors must be given together where there are errors")

    def without(self, left: NDArray[np.int64], taken: NDArray[np.int64]) -> PoolArrays:
        """Return the pool of the items `left`, with the items `taken` added to the centres."""
        of_items = {
            field.name: None if (values := getattr(self, field.name)) is None else values[left]
            for field in fields(self)[1:]
            if not field.name.startswith("centre_")
        }
        return replace(
            self,
            size=len(left),
            **of_items,
            centre_embeddings=_joined(self.centre_embeddings, self.embeddings, taken),
            centre_errors=_joined(self.centre_errors, self.errors, taken),
        )


def _joined(centres: NDArray[Any] | None, rows: NDArray[Any] | None, taken: NDArray[np.int64]) -> NDArray[Any] | None:
    if rows is None:
        return centres
    return rows[taken] if centres is None else np.concatenate([centres, rows[taken]])


def vectors(values: ArrayLike, name: str, *, like: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Return `values` as C-ordered float32 rows, copied only if necessary.

    like: rows with the required number of columns. Raises ValueError, naming the row, for invalid numbers.
    """
    rows = real_rows(values, name)
    if like is not None and rows.shape[1] != like.shape[1]:
        raise ValueError(f"{name} must have {like.shape[1]} columns, not {rows.shape[1]}")
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = rows[start : start + _BLOCK_ROWS]
        unfit = ~(np.abs(block) < _LARGEST).all(axis=1)  # NaN too
        if unfit.any():
            raise ValueError(f"{name} holds a value that is no number or too large (row {start + int(unfit.argmax())})")
    return np.ascontiguousarray(rows, dtype=np.float32)
