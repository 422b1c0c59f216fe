"""Tell how probable each class is for unlabeled items: by the labels of items nearby, and by a network.

Neither is always better. Labels that spread over a graph know more where classes lie apart, a network where a few of
many columns decide. Held-out labels choose how much each counts (stacking: Wolpert 1992, "Stacked Generalization"). No
control item takes part, so that control items measure the model as before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

from models_store.training.spreading import Graph, log_shares

REACHES = (0.9, 0.99)
"""Values of `keep` that are tried: labels reach the next few items, or far."""
USUAL, USUAL_FLOOR = (0.5, 0.5), -3.0
"""Of the teacher before any held-out label: both weights, and the log-odds of the floor."""
SURE, SURE_OF_FLOOR = 0.5, 2.0
"""Standard deviations of these before any held-out label."""
LEAST_WEIGHT = 0.02
LOWEST = -9.0
"""The least logarithm of a network's probability that counts."""


class Fold(NamedTuple):
    """Labels held out of a training, and the predictions for them.

    held_out : (k,) rows of the labels that the network did not learn.
    learned : (m,) rows of the labels that it learned.
    logs : (k, n_classes) logarithms of the probabilities that it predicts for `held_out`.
    """

    held_out: np.ndarray
    learned: np.ndarray
    logs: np.ndarray


@dataclass(frozen=True)
class Teacher:
    """The weights of both sources, as JSON can hold them.

    The probabilities of a class are proportional to exp(graph × its log share + network × its log probability), but for
    a share `floor`, which all classes share.
    """

    keep: float
    graph: float
    network: float
    floor: float
    right: float
    """The share of the held-out labels that it gives."""
    right_without: float
    """The share that the network alone gives."""

    @property
    def helps(self) -> bool:
        """Whether the graph says anything that the network does not."""
        return self.graph >= LEAST_WEIGHT

    def probabilities(self, shares: np.ndarray, logs: np.ndarray) -> np.ndarray:
        """Return (n, n_classes), from log shares and log probabilities of the same shape."""
        p: np.ndarray = softmax(self.graph * shares + self.network * np.maximum(logs, LOWEST), axis=1)
        p *= 1 - self.floor
        p += self.floor / shares.shape[1]
        return p


def fit_teacher(graph: Graph, labels: np.ndarray, targets: np.ndarray, folds: Sequence[Fold]) -> Teacher:
    """Return the teacher under which the held-out labels are the most probable, with a prior for few of them.

    Parameters
    ----------
    graph : Graph
        Of the labeled items, and then of others.
    labels : ndarray of shape (n, n_classes), float32
        What spreads from each labeled item.
    targets : ndarray of shape (n,), int
    folds : sequence of Fold
    """
    rows = np.concatenate([fold.held_out for fold in folds])
    logs = np.maximum(np.concatenate([fold.logs for fold in folds]), LOWEST)
    right = targets[rows]
    best: tuple[float, Teacher] | None = None
    for keep in REACHES:
        shares = np.concatenate(
            [log_shares(graph.spread(fold.learned, labels[fold.learned], keep)[fold.held_out]) for fold in folds]
        )
        cost, (by_graph, by_network, floor) = _fit(shares, logs, right)
        mixed = by_graph * shares + by_network * logs
        teacher = Teacher(
            keep,
            by_graph,
            by_network,
            floor,
            float((mixed.argmax(axis=1) == right).mean()),
            float((logs.argmax(axis=1) == right).mean()),
        )
        if best is None or cost < best[0]:
            best = cost, teacher
    assert best is not None
    return best[1]


def _fit(shares: np.ndarray, logs: np.ndarray, right: np.ndarray) -> tuple[float, tuple[float, float, float]]:
    """Return the cost, and both weights and the floor."""
    n, n_classes = shares.shape
    places = np.arange(n)

    def cost(at: np.ndarray) -> float:
        weights, floor = np.maximum(at[:2], 0), expit(at[2])
        mixed = log_softmax(weights[0] * shares + weights[1] * logs, axis=1)[places, right]
        likely = np.log((1 - floor) * np.exp(mixed) + floor / n_classes).mean()
        unusual = ((at[:2] - USUAL) ** 2).sum() / SURE**2 + (at[2] - USUAL_FLOOR) ** 2 / SURE_OF_FLOOR**2
        return float(unusual / 2 / n - likely)

    best = minimize(cost, [*USUAL, USUAL_FLOOR], method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-6})
    by_graph, by_network, floor = best.x.tolist()
    return float(best.fun), (max(by_graph, 0.0), max(by_network, 0.0), float(expit(floor)))
