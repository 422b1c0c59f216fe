"""A map of the pool: a sample of its items in two dimensions. Arrays only: pages read it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

REST, LABELED, CONTROL, PICKED = range(4)


@dataclass(frozen=True, slots=True)
class PoolMap:
    """Items of a sample: places (n, 2) in [0, 1], kinds (n,) (REST, LABELED, CONTROL or PICKED), clusters (n,)."""

    places: np.ndarray
    kinds: np.ndarray
    clusters: np.ndarray
