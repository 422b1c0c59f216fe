"""How often a machine was right where people answered without seeing its answers. Numpy and scipy only."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models_store import metrics
from models_store.metrics import Share
from models_store.reliability import Calibration, calibration
from models_store.stand_in import UNKNOWN, StandIn, stand_in

MISTAKES = 20
"""The most kinds of mistakes that are listed."""


@dataclass(frozen=True, eq=False)
class Blind:
    """A machine's answers to m items, and n answers of people who did not see them.

    said, sure : (m,) int and float, the machine's answers and the probabilities that it gives them.
    truth : (m,) int, the label, or the known answer, of each item.
    known : (m,) bool, whether the answer was known before.
    items, people, answers : (n,) int, the place of the item, who answered, and the answer. One a person and item.
    """

    said: np.ndarray
    sure: np.ndarray
    truth: np.ndarray
    known: np.ndarray
    items: np.ndarray
    people: np.ndarray
    answers: np.ndarray


@dataclass(frozen=True, slots=True)
class Beside:
    """The machine's share of right answers, and that of all people together, on the same items.

    The machine is held against the label, or the known answer; a person against the known answer, or else the most
    frequent answer of the others, if there is one.
    """

    machine: Share
    people: Share


@dataclass(frozen=True, eq=False)
class Measured:
    """`groups`: by name as given; `classes`: of each class that occurs, the machine's recall; `mistakes`: (truth, said,
    items), the most frequent first. These, `calibration` and `stand_in` are of all items.
    """

    groups: dict[str, Beside]
    classes: dict[int, Share]
    mistakes: list[tuple[int, int, int]]
    calibration: Calibration | None
    stand_in: StandIn


def measure(blind: Blind, groups: Mapping[str, np.ndarray], n_classes: int) -> Measured:
    """Measure a machine, and people beside it. `groups`: (m,) bool each. Takes O(m log m + n n_classes) time."""
    right = blind.said == blind.truth
    judged, agrees = _judged(blind, n_classes)
    beside = {
        name: Beside(_share(right[chosen]), _share(agrees[judged & chosen[blind.items]]))
        for name, chosen in groups.items()
    }
    known = np.where(blind.known, blind.truth, UNKNOWN)
    return Measured(
        groups=beside,
        classes={int(each): _share(right[blind.truth == each]) for each in np.unique(blind.truth)},
        mistakes=metrics.confused_pairs(blind.truth, blind.said, limit=MISTAKES),
        calibration=calibration(np.clip(blind.sure, 0, 1), right),
        stand_in=stand_in(blind.said, known, blind.items, blind.people, blind.answers, n_classes),
    )


def _judged(blind: Blind, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which answers of people can be judged, and whether they are right: (n,) bool each."""
    counts = np.zeros((len(blind.truth), n_classes))
    np.add.at(counts, (blind.items, blind.answers), 1)
    others, rows = counts[blind.items], np.arange(len(blind.items))
    others[rows, blind.answers] -= 1
    most = others.max(axis=1, initial=0)
    agreed = (others == most[:, None]).sum(axis=1) == 1
    known = blind.known[blind.items]
    right = np.where(known, blind.truth[blind.items], others.argmax(axis=1)) == blind.answers
    return known | (agreed & (most > 0)), right


def _share(right: np.ndarray) -> Share:
    return metrics.accuracy(np.ones(len(right), bool), right)
