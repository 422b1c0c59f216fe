"""Ways of asking people for the labels of a batch."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.efficiency.loop import seed_for
from benchmarks.seconds.people import People
from models_store.training import Propagated
from selector.dendrogram import Dendrogram
from selector.near_copies import near_copies
from selector.radius import Radius, learn_radius

PAGE = 60
"""Items in a grid, at most."""
SUGGESTED = 0.5
"""Share of the tasks that show the model's guess."""
COPIES = 5
"""Near-copies beside a task, at most."""
COPY_ERROR, COPY_CHECKS, COPY_WEIGHT = 0.1, 0.1, 0.5
"""Disagreement tolerated, checks for each task of a batch, and what a propagated label counts beside a person's."""
MEAN_CLUSTER_SIZE = 5.0
"""Copies reach as far as the clusters of this cut, until checks tell more."""


class Learned(NamedTuple):
    """The labels and weights that a model learns from."""

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    propagated: Propagated | None = None


class OneByOne:
    """Each item alone. Other ways answer the first batch like this too, because there is no model yet."""

    strategy = "cluster-margin"

    def __init__(self, people: People, dendrogram: Dendrogram, seed: int) -> None:
        self.people, self.dendrogram, self.seed = people, dendrogram, seed

    def ask(self, number: int, rows: NDArray[np.int64], guesses: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
        """Write the answers to `rows` into `labels`, where -1 stands for no label; return the people's seconds.

        guesses: (m,) the classes that the newest model takes the rows to be of.
        """
        labels[rows], seconds = self.people.one_by_one(rows)
        return seconds

    def learned(self, labels: NDArray[np.int64]) -> Learned:
        rows = np.flatnonzero(labels >= 0)
        return Learned(rows, labels[rows])


class Uniform(OneByOne):
    strategy = "uniform"


class Suggestions(OneByOne):
    """Items one by one, half of them at random with the model's guess."""

    def ask(self, number: int, rows: NDArray[np.int64], guesses: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
        shown = np.random.default_rng(seed_for(self.seed, "suggest", number)).random(len(rows)) < SUGGESTED
        labels[rows[shown]], seconds = self.people.suggested(rows[shown], guesses[shown])
        return seconds + super().ask(number, rows[~shown], guesses[~shown], labels)


class Grids(OneByOne):
    """All items that the model predicts as one class, side by side."""

    def ask(self, number: int, rows: NDArray[np.int64], guesses: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
        seconds = 0.0
        for guess in np.unique(guesses):
            of_class = rows[guesses == guess]
            for start in range(0, len(of_class), PAGE):
                page = of_class[start : start + PAGE]
                labels[page], more = self.people.in_a_grid(page, int(guess))
                seconds += more
        return seconds


class NearCopies(OneByOne):
    """An item with its near-copies beside it, which get its label unless people remove them.

    Some of the copies, drawn by chance, are asked about with the next batch. From them the radius is learned within
    which labels are propagated; the newest radius holds for the copies of all batches.
    """

    def __init__(self, people: People, dendrogram: Dendrogram, seed: int) -> None:
        super().__init__(people, dendrogram, seed)
        self.sources, self.items = np.empty(0, np.int64), np.empty(0, np.int64)
        self.heights, self.stands, self.checked = np.empty(0), np.empty(0, bool), np.empty(0, bool)
        self.radius = Radius(None, None)
        self.cut = dendrogram.height_at(mean_cluster_size=MEAN_CLUSTER_SIZE)

    def ask(self, number: int, rows: NDArray[np.int64], guesses: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
        self.radius = self._radius(labels)
        due = self.items[self.checked & (labels[self.items] < 0)]
        asked = np.union1d(rows, due)
        seconds = super().ask(number, asked, guesses, labels)
        return seconds + self._show(number, rows, labels)

    def _radius(self, labels: NDArray[np.int64]) -> Radius:
        """Learn the radius from the answered checks. Copies that people removed say nothing about propagated ones."""
        checked = self.checked & self.stands & (labels[self.items] >= 0)
        agreed = labels[self.items[checked]] == labels[self.sources[checked]]
        return learn_radius(self.heights[checked], agreed, error=COPY_ERROR)

    def _show(self, number: int, rows: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
        free = labels < 0
        free[self.items] = False
        reach = self.cut if self.radius.reach is None else min(self.cut, self.radius.reach)
        copies = near_copies(self.dendrogram, rows, free, radius=reach, most=COPIES)
        sources = rows[copies.owners]
        stands, seconds = self.people.copies(sources, copies.items)
        rng = np.random.default_rng(seed_for(self.seed, "check", number))
        checked = np.zeros(len(sources), bool)
        checked[rng.permutation(len(sources))[: round(COPY_CHECKS * len(rows))]] = True
        self.sources, self.items = np.append(self.sources, sources), np.append(self.items, copies.items)
        self.heights, self.stands = np.append(self.heights, copies.heights), np.append(self.stands, stands)
        self.checked = np.append(self.checked, checked)
        return seconds

    def learned(self, labels: NDArray[np.int64]) -> Learned:
        own = super().learned(labels)
        trusted = -1.0 if self.radius.trusted is None else self.radius.trusted
        propagated = self.stands & (self.heights <= trusted) & (labels[self.items] < 0)
        sources = self.sources[propagated]
        weights = np.full(len(own.rows) + len(sources), COPY_WEIGHT, np.float32)
        weights[: len(own.rows)] = 1
        return Learned(
            np.append(own.rows, self.items[propagated]),
            np.append(own.labels, labels[sources]),
            Propagated(np.append(np.arange(len(own.rows)), np.searchsorted(own.rows, sources)), weights),
        )


class AllCopies(NearCopies):
    """Near-copies that all get the label as soon as people leave them, without checks."""

    def _radius(self, labels: NDArray[np.int64]) -> Radius:
        return Radius(np.inf, None)


WAYS: dict[str, type[OneByOne]] = {
    "uniform": Uniform,
    "one by one": OneByOne,
    "suggestions": Suggestions,
    "grids": Grids,
    "near-copies": NearCopies,
    "near-copies, all trusted": AllCopies,
}
"""All ways but the first pick by Cluster-Margin."""
