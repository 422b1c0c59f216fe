"""A map of the pool: a sample of its items in two dimensions. Arrays only: pages read it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labeling.storage.arrays.stored import check_form

REST, LABELED, CONTROL, PICKED = range(4)


@dataclass(frozen=True, slots=True)
class PoolMap:
    """Items of a sample: places (n, 2) in [0, 1], kinds (n,) (REST, LABELED, CONTROL or PICKED), clusters (n,)."""

    places: np.ndarray
    kinds: np.ndarray
    clusters: np.ndarray

    def __post_init__(self) -> None:
        check_form("places", self.places, 2, len(self.kinds))
        check_form("kinds", self.kinds, 1, len(self.kinds))
        check_form("clusters", self.clusters, 1, len(self.kinds))
