"""What a strategy may look at: arrays over the unlabeled items."""

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
    """The n unlabeled items. Each array but `size` may be left out where the strategy does not need it.

    size: n.
    margins: (n,) p(best class) - p(second class).
    clusters: (n,) whole numbers, the cluster of each item.
    entropies: (n,) of the predicted probabilities.
    embeddings: (n, d), by the present model.
    errors: (n, e), the gradient of the loss by the logits, were the model's answer right: p - onehot(best class) for
        one class of many; or a projection of it that keeps products.
    centre_embeddings, centre_errors: (m, d) and (m, e), of items that are labeled or in the batch already; other items
        are to lie apart from them.
    Raises ValueError, naming the array, on a shape that does not fit the others.
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
        """The pool with the items at `left` alone, those at `taken` being centres from now on."""
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
    """Return `values` as C-ordered float32 rows, copied only if they are not. Raises ValueError, naming the row.

    like: rows with as many columns as there must be.
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
