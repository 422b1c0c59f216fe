"""Vectors whose columns are brought to one scale, if they differ in scale as the columns of a table do."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from models_store.encoders.base import State, thinned
from models_store.encoders.vector import Vector, as_vector

FAR = 5.0
"""Numbers are cut off at so many spreads: an outlier must not decide by itself."""
MIXED = 10.0
"""The least ratio of the largest spread to the median spread in a table of mixed units. Embeddings and pixels have less
than 3, their principal components about 10, tables in mixed units 20 to 8000."""
FALLING = -0.9
"""Spreads that fall with the column's place by this rank correlation are of principal components."""
MOST_NUMBERS = 1 << 24
"""The most numbers of the sample, which bounds its memory."""
QUARTILES = 1.349
"""The interquartile range of a normal distribution, in standard deviations."""


class Table(Vector):
    """Each column as (number - median) / spread, cut off at FAR; all columns unchanged if they share one scale.

    The spread is the interquartile range / QUARTILES, the standard deviation where that is 0, as in columns that are
    mostly 0. A column that does not vary becomes 0. Embeddings keep the relative weight of their directions, which is
    worth many points of accuracy: see `scales`.
    """

    name: ClassVar[str] = "table"
    meaning: ClassVar[str] = (
        "Columns in different units are brought to one scale, without outliers. Embeddings and other vectors on one "
        "scale stay as they are."
    )
    for_new: ClassVar[bool] = True
    fit_samples: ClassVar[int] = 2000

    def __init__(self, centre: np.ndarray, gain: np.ndarray, far: float) -> None:
        """Make the encoder of columns with these medians and factors, (dim,) each."""
        super().__init__(len(centre))
        self.centre, self.gain, self.far = centre, gain, far

    @classmethod
    def fit(cls, samples: Sequence[Any]) -> Self:
        """Learn medians and spreads from samples, of which the first sets the length. Raises as `Vector.fit`."""
        dim = Vector.fit(samples).dim
        few = thinned(samples, max(100, MOST_NUMBERS // dim))
        rows = [as_vector(sample, index=index) for index, sample in enumerate(few)]
        numbers = np.stack([row for row in rows if len(row) == dim]).astype(np.float64)
        if not is_mixed(numbers):
            return cls(np.zeros(dim), np.ones(dim), np.inf)
        spread = _spreads(numbers)
        gain = np.divide(1.0, spread, out=np.zeros(dim), where=spread > 0)
        return cls(np.median(numbers, axis=0), gain, FAR)

    def encode(self, raws: Sequence[Any]) -> np.ndarray:
        numbers = super().encode(raws).astype(np.float64)
        scaled: np.ndarray = np.clip((numbers - self.centre) * self.gain, -self.far, self.far).astype(self.dtype)
        return scaled

    def state(self) -> State:
        return {"centre": self.centre, "gain": self.gain, "far": np.array(self.far)}

    @classmethod
    def from_state(cls, state: State) -> Self:
        return cls(state["centre"], state["gain"], float(state["far"]))


def is_mixed(numbers: np.ndarray) -> bool:
    """Return whether the columns of (n, d) numbers differ in scale as those of a table in mixed units.

    Both deviations and interquartile ranges must differ by MIXED: an outlier alone changes the first, a column that is
    mostly 0 the second. Principal components fall in scale from the first to the last, and are not mixed.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(100, 3))
    >>> is_mixed(rows), is_mixed(rows * [1, 1000, 1])
    (False, True)
    """
    for spreads in (numbers.std(axis=0), _spreads(numbers)):
        varying = spreads[spreads > 0]
        if not len(varying) or varying.max() < MIXED * np.median(varying):
            return False
    ranks = varying.argsort().argsort()
    return len(varying) < 8 or bool(np.corrcoef(np.arange(len(ranks)), ranks)[0, 1] > FALLING)


def _spreads(numbers: np.ndarray) -> np.ndarray:
    """Return the spread of each column, (d,); 0 if it does not vary, apart from rounding."""
    low, middle, high = np.percentile(numbers, [25, 50, 75], axis=0)
    deviation = numbers.std(axis=0)
    spread: np.ndarray = np.where(high > low, (high - low) / QUARTILES, deviation)
    spread[deviation <= 1e-6 * np.maximum(np.abs(middle), 1e-6)] = 0
    return spread
