"""Compare two model versions of a project on the same control items, and on the whole pool.

`a` is the reference and `b` the version under comparison; either may be the newer. For `verify` the classes are no (0)
and yes (1). For `multi` only the best class of an item is stored, so there is no comparison on control items.
"""

from dataclasses import dataclass

import numpy as np

from labeling.insight.control_slice import Calibration, ControlSlice, VersionPair, calibration
from labeling.models import ModelVersion, Project
from labeling.storage.arrays.files import ProjectFiles
from models_store import contrast, metrics
from models_store.contrast import ClassContrast, Difference
from models_store.metrics import Share
from models_store.paired import Compared, compare

__all__ = ["ClassContrast", "Comparison", "Difference", "Mistake", "OnControl", "OnPool", "Share", "compare_versions"]

# The most mistakes, and the most kinds of disagreement in the pool, that are listed.
MISTAKES, KINDS = 10, 10
# Rows of the pool that are compared at once.
ROWS = 1 << 20


@dataclass(frozen=True, slots=True)
class Side:
    """The figures of one version on the common control items."""

    right: Share
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class Mistake:
    """The numbers of items of class `truth` for which versions `a` and `b` predict `predicted`."""

    truth: int
    predicted: int
    a: int
    b: int


@dataclass(frozen=True, slots=True)
class OnControl:
    """The comparison on the control items that both versions have predicted. `pair` has the predictions."""

    a: Side
    b: Side
    compared: Compared
    difference: Difference
    classes: ClassContrast
    mistakes: list[Mistake]
    pair: VersionPair

    @property
    def apart(self) -> np.ndarray:
        """Places in `pair` of the items on which the versions disagree, by the higher of both confidences."""
        places = np.flatnonzero(self.pair.said_a != self.pair.said_b)
        return places[np.argsort(-np.maximum(self.pair.sure_a, self.pair.sure_b)[places], kind="stable")]


@dataclass(frozen=True, slots=True)
class OnPool:
    """The comparison on all items that both versions have predicted, labeled or not: the number of items, the number on
    which they disagree, and the most frequent disagreements (a's class, b's class, items).
    """

    n: int
    apart: int
    kinds: list[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of two versions. A part is None if the predictions it needs are not stored."""

    control: OnControl | None
    pool: OnPool | None


def compare_versions(project: Project, a: ModelVersion, b: ModelVersion) -> Comparison:
    """Compare two versions. One query and four files; O(n) time for a pool of n items, and bounded memory."""
    pair = ControlSlice(project).pair(a, b)
    control = on_control(pair) if pair is not None and len(pair.rows) else None
    return Comparison(control, _on_pool(project, a, b))


def on_control(pair: VersionPair) -> OnControl:
    """Return the comparison from the predictions of both versions for n >= 1 control items."""
    right_a, right_b = pair.said_a == pair.labels, pair.said_b == pair.labels
    compared = compare(right_b, right_a)
    n_classes = 1 + max(int(each.max()) for each in (pair.labels, pair.said_a, pair.said_b))
    return OnControl(
        a=_side(pair.labels, pair.said_a, pair.sure_a),
        b=_side(pair.labels, pair.said_b, pair.sure_b),
        compared=compared,
        difference=contrast.difference(compared.n, compared.gained, compared.lost),
        classes=contrast.by_class(pair.labels, pair.said_a, pair.said_b, n_classes),
        mistakes=_mistakes(pair),
        pair=pair,
    )


def _side(labels: np.ndarray, predicted: np.ndarray, sure: np.ndarray) -> Side:
    return Side(metrics.accuracy(labels, predicted), calibration(np.clip(sure, 0, 1), predicted == labels))


def _mistakes(pair: VersionPair) -> list[Mistake]:
    """Return the mistakes whose numbers differ most between the versions; of equal differences the most frequent."""
    everything = len(pair.labels)
    counts: dict[tuple[int, int], list[int]] = {}
    for side, predicted in enumerate((pair.said_a, pair.said_b)):
        for truth, taken, items in metrics.confused_pairs(pair.labels, predicted, limit=everything):
            counts.setdefault((truth, taken), [0, 0])[side] = items
    mistakes = [Mistake(truth, taken, a, b) for (truth, taken), (a, b) in counts.items() if a != b]
    mistakes.sort(key=lambda each: (-abs(each.a - each.b), -max(each.a, each.b), each.truth, each.predicted))
    return mistakes[:MISTAKES]


def _on_pool(project: Project, a: ModelVersion, b: ModelVersion) -> OnPool | None:
    said_a, said_b = (ProjectFiles(project).answers(version) for version in (a, b))
    if said_a is None or said_b is None:
        return None
    n = min(len(said_a), len(said_b))
    counts: dict[tuple[int, int], int] = {}
    for start in range(0, n, ROWS):
        part_a, part_b = (np.asarray(each[start : min(start + ROWS, n)], np.int64) for each in (said_a, said_b))
        apart = part_a != part_b
        # Pairs as single numbers, which numpy sorts many times faster.
        for pair, items in zip(*np.unique(part_a[apart] << 32 | part_b[apart], return_counts=True), strict=True):
            kind = int(pair) >> 32, int(pair) & 0xFFFFFFFF
            counts[kind] = counts.get(kind, 0) + int(items)
    kinds = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return OnPool(n, sum(counts.values()), [(*answers, items) for answers, items in kinds[:KINDS]])
