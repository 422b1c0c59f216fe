"""Vectors of the items themselves (embeddings of another model, measurements), unchanged."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from models_store.encoders.base import Encoder, EncodingError, State


class Vector(Encoder):
    """Converts vectors to float32. The first sample sets the length.

    Refuses vectors of another length, and numbers that are not finite. The network learns the scaling from the labeled
    items.
    """

    name: ClassVar[str] = "vector"
    kind: ClassVar[str] = "vector"
    meaning: ClassVar[str] = "The vectors as they are."
    fit_samples: ClassVar[int] = 1
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    def __init__(self, dim: int) -> None:
        if dim < 1:
            raise ValueError("a vector needs at least one number")
        self.dim = dim
        self.input_shape = (dim,)

    @classmethod
    def fit(cls, samples: Sequence[Any]) -> Self:
        """Take the length from the first sample. Raises `EncodingError` if it is no vector, ValueError without one."""
        if len(samples) == 0:
            raise ValueError("vector: the length cannot be known without a sample")
        return cls(len(as_vector(samples[0], index=0)))

    def encode(self, raws: Sequence[Any]) -> np.ndarray:
        features = np.empty((len(raws), self.dim), dtype=self.dtype)
        for index, raw in enumerate(raws):
            vector = as_vector(raw, index=index)
            if len(vector) != self.dim:
                raise EncodingError(f"{len(vector)} numbers, expected {self.dim}", index=index)
            features[index] = vector
        return features

    def state(self) -> State:
        return {"dim": np.array(self.dim)}

    @classmethod
    def from_state(cls, state: State) -> Self:
        return cls(int(state["dim"]))


def as_vector(raw: Any, *, index: int) -> np.ndarray:
    """Convert `raw` to a 1-D float32 array of at least one finite number. Raises `EncodingError`."""
    try:
        with np.errstate(over="ignore"):
            vector = np.asarray(raw, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise EncodingError("not a list of numbers", index=index) from error
    if vector.ndim != 1 or not len(vector):
        raise EncodingError(f"expected a 1-D list of numbers, not the shape {vector.shape}", index=index)
    if not np.isfinite(vector).all():
        raise EncodingError("has a number that is not finite in float32", index=index)
    return vector
