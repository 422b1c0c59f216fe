"""A map of the pool: some of its items in two dimensions, on file. Arrays only: pages read it."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labeling.disk import replace_file

REST, LABELED, CONTROL, PICKED = range(4)


@dataclass(frozen=True, slots=True)
class PoolMap:
    """Items of a sample: places (n, 2) in [0, 1], kinds (n,) (REST, LABELED, CONTROL or PICKED), clusters (n,)."""

    places: np.ndarray
    kinds: np.ndarray
    clusters: np.ndarray


def save_map(path: Path, pool_map: PoolMap) -> None:
    """Write it in one step."""
    buffer = io.BytesIO()
    np.savez(buffer, places=pool_map.places, kinds=pool_map.kinds, clusters=pool_map.clusters)
    replace_file(path, buffer.getbuffer())


def load_map(path: Path) -> PoolMap | None:
    """The map, or None if there is none, or none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return PoolMap(arrays["places"], arrays["kinds"], arrays["clusters"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
