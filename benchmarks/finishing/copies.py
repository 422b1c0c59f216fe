"""Near-copies beside the picked items, as the product shows them: people take out those that differ."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.efficiency.loop import seed_for
from benchmarks.finishing.crowd import Crowd
from benchmarks.seconds.ways import COPY_CHECKS, COPY_ERROR, MEAN_CLUSTER_SIZE
from selector.dendrogram import Dendrogram
from selector.near_copies import near_copies
from selector.radius import Radius, learn_radius


class Copies:
    """The near-copies that people have seen. Some of them, drawn by chance, are checks: the next batch asks about them.

    most : shown beside an item, at most.
    """

    def __init__(self, dendrogram: Dendrogram, most: int, seed: int) -> None:
        self.dendrogram, self.most, self.seed = dendrogram, most, seed
        self.sources, self.items = np.empty(0, np.int64), np.empty(0, np.int64)
        self.heights, self.same, self.is_check = np.empty(0), np.empty(0, bool), np.empty(0, bool)
        self.cut = dendrogram.height_at(mean_cluster_size=MEAN_CLUSTER_SIZE)

    def due(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the checks that the next batch asks about."""
        return self.items[self.is_check & self.same & (labels[self.items] < 0)]

    def show(self, crowd: Crowd, rows: NDArray[np.int64], free: NDArray[np.bool_], reach: float | None) -> None:
        """Let people look at the near-copies beside these answered items. `free` (n,): the items that may be copies."""
        free = free.copy()
        free[self.items] = False
        found = near_copies(
            self.dendrogram, rows, free, radius=self.cut if reach is None else min(self.cut, reach), most=self.most
        )
        sources = rows[found.owners]
        same = crowd.beside(sources, found.items)
        rng = np.random.default_rng(seed_for(self.seed, "check", len(self.items)))
        is_check = rng.permutation(len(sources)) < min(round(COPY_CHECKS * len(rows)), len(sources) // 2)
        self.sources, self.items = np.append(self.sources, sources), np.append(self.items, found.items)
        self.heights, self.same = np.append(self.heights, found.heights), np.append(self.same, same)
        self.is_check = np.append(self.is_check, is_check)

    def learn(self, labels: NDArray[np.int64]) -> tuple[Radius, float]:
        """Return the radius that the checks prove, and the share of checks within it that differ."""
        checked = self.is_check & self.same & (labels[self.items] >= 0)
        agreed = labels[self.items[checked]] == labels[self.sources[checked]]
        radius = learn_radius(self.heights[checked], agreed, error=COPY_ERROR)
        within = self.heights[checked] <= (-1 if radius.trusted is None else radius.trusted)
        return radius, float(((~agreed[within]).sum() + 0.5) / (within.sum() + 1))

    def propagated(
        self, labels: NDArray[np.int64], trusted: float | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the near-copies that get a label now, and their sources."""
        given = self.same & ~self.is_check & (self.heights <= (-1 if trusted is None else trusted))
        given &= (labels[self.items] < 0) & (labels[self.sources] >= 0)
        return self.items[given], self.sources[given]
