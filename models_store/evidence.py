"""Answers of machines as evidence beside a model's probabilities. Numpy and scipy only.

A machine is any program that answers: a chat model, a zero-shot classifier, somebody's own model. It casts no vote.
What its answers are worth is measured on labeled items:

    P(c | x, m) ∝ P_model(c | x)^w · Π P(m | c)^v

P(m | c) is the machine's confusion, counted on the labels and shrunk to one coin: an accuracy, and errors that are
spread evenly. The powers maximise the likelihood of labels that neither model nor confusion has seen. Several machines
share one fit, so that two that err together do not count twice; a machine that adds less than `PRICE` nats counts for
nothing, and one that adds little more counts for little.

Sources: Dawid and Skene 1979, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm", for the
confusion; Genest and Zidek 1986, "Combining Probability Distributions", section 3, for the powers (a logarithmic
opinion pool); Stone 1974, "Cross-Validatory Choice and Assessment of Statistical Predictions"; James and Stein 1961,
for the shrinkage.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csc_array
from scipy.special import log_softmax, softmax, xlogy

ABSTAINED = -1
"""The answer of a machine that refused, failed, or was not asked: it is no evidence."""
PRICE = 6.0
"""The nats by which a machine's answers must raise the cross-fitted log likelihood before they count. Of 22,500
simulated machines that answer at random, with 10 to 400 labels and 2 to 10 classes, chance brought one so far."""
SHRINKAGE = 4.0
"""The weight, in answers a class, with which a confusion is shrunk to one coin."""
COIN = 2.0
"""The weight, in answers, with which the coin's accuracy is shrunk to a guess."""
DOUBT = 8.0
"""Of n labels, the model's probabilities are mixed with DOUBT / (n + DOUBT) of even ones: models of few labels are
certain of much that is wrong."""
LEAST = 0.01
"""The share of even probabilities in a machine's."""
STIFFNESS = (2.0, 1.0)
"""The weight of the squared distances of w and of v from 1, in the fit."""
MOST = (3.0, 1.5)
"""The largest w and v."""


@dataclass(frozen=True, eq=False)
class Confusion:
    """The answers of a machine to items of each class, shrunk to one coin.

    counts : csc_array of shape (n_classes, n_classes)
        The weight of labeled items by class (rows) and answer (columns).
    """

    counts: csc_array

    @classmethod
    def of(cls, labels: np.ndarray, answers: np.ndarray, weights: np.ndarray, n_classes: int) -> "Confusion":
        """Count (n,) answers to items with (n,) labels. Abstentions are left out."""
        given = answers != ABSTAINED
        places = (labels[given], answers[given])
        return cls(csc_array((weights[given], places), shape=(n_classes, n_classes)))

    @property
    def accuracy(self) -> float:
        """The accuracy of the coin."""
        n_classes = self.counts.shape[0]
        return float((self.counts.trace() + COIN / n_classes) / (self.counts.sum() + COIN))

    def likelihoods(self, answers: np.ndarray) -> np.ndarray:
        """Return log P(answer | class) of (m,) answers for each class, (m, n_classes); zeros for an abstention."""
        return self._logs(answers, *self._seen(answers), np.full(len(answers), self.accuracy))

    def held_out(self, labels: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return what `likelihoods` would be of each counted item if it had not been counted, (n, n_classes)."""
        cells, rows = self._seen(answers)
        own, items, n_classes = np.where(answers == ABSTAINED, 0, weights), np.arange(len(answers)), rows.shape[1]
        cells[items, labels] -= own
        rows[items, labels] -= own
        right = self.counts.trace() - own * (answers == labels)
        accuracy = (right + COIN / n_classes) / (self.counts.sum() - own + COIN)
        return self._logs(answers, cells, rows, accuracy)

    def _seen(self, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how often items of each class had each of these answers, and any: (m, n_classes) each."""
        cells = self.counts[:, answers.clip(0)].toarray().T.copy()
        return cells, np.tile(np.asarray(self.counts.sum(axis=1)), (len(answers), 1))

    def _logs(self, answers: np.ndarray, cells: np.ndarray, rows: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
        n_classes = rows.shape[1]
        agrees = np.arange(n_classes) == answers[:, None]
        coin = np.where(agrees, accuracy[:, None], (1 - accuracy[:, None]) / (n_classes - 1))
        # Rounding may leave a little less than nothing of a count.
        logs = np.log((cells.clip(0) + SHRINKAGE * coin) / (rows.clip(0) + SHRINKAGE))
        return np.where(answers[:, None] == ABSTAINED, 0.0, logs)


@dataclass(frozen=True, eq=False)
class Piece:
    """What counts of machine number `machine`: its answers by their `confusion`, or None for its probabilities.

    power : float
        v: 0 for no evidence, 1 for evidence that is independent of the model's, given the class.
    """

    machine: int
    confusion: Confusion | None
    power: float

    def logs(self, answers: np.ndarray) -> np.ndarray:
        return _log_shares(answers) if self.confusion is None else self.confusion.likelihoods(_hard(answers))


@dataclass(frozen=True, eq=False)
class Evidence:
    """What machines' answers are worth beside a model.

    Attributes
    ----------
    power : float
        w, the power of the model's probabilities.
    pieces : tuple of Piece
        What counts. Empty: the model's probabilities stay as they are.
    gain : float
        The nats that these pieces add to the cross-fitted log likelihood of all labels.
    n : float
        The labels, or the effective number of weighted ones.
    """

    power: float
    pieces: tuple[Piece, ...]
    gain: float
    n: float

    def combine(self, p: np.ndarray, answers: Sequence[np.ndarray]) -> np.ndarray:
        """Return the probabilities of each class given the model's and the machines' answers, (m, n_classes).

        Parameters
        ----------
        p : ndarray of shape (m, n_classes)
            The model's probabilities.
        answers : sequence of ndarray
            Of each machine as for `fit`, in the same order.
        """
        if not self.pieces:
            return p
        logs = self.power * _log_doubted(p, self.n)
        for piece in self.pieces:
            logs += piece.power * piece.logs(np.asarray(answers[piece.machine]))
        combined: np.ndarray = softmax(logs, axis=1)
        return combined


def fit(
    p: np.ndarray, answers: Sequence[np.ndarray], labels: np.ndarray, *, weights: np.ndarray | None = None
) -> Evidence:
    """Measure what machines' answers are worth beside a model, on n labeled items.

    The confusions are counted without the item that they explain. Machines are added one after the other, each time the
    one that adds most, as long as it adds `PRICE` nats; all powers are then fitted together. They are moved back to
    those of the model alone by the share PRICE x pieces / gain. Takes O(n n_classes pieces²) time for each step of the
    fit.

    Parameters
    ----------
    p : ndarray of shape (n, n_classes)
        Probabilities by models that have not learned these items, as from `crossfit.held_out_probabilities`.
    answers : sequence of ndarray
        Of each machine, of shape (n,): classes, or ABSTAINED; or of shape (n, n_classes): probabilities, or NaN in the
        row of an abstention. Of probabilities, both the best class and the probabilities themselves may count.
    labels : ndarray of shape (n,), int
    weights : ndarray of shape (n,), optional
        Of labels that selection picked: 1 / (the probability of being picked). Their scale does not matter; unequal
        weights count as fewer labels, (Σ w)² / Σ w² (Kish 1965, "Survey Sampling").

    Returns
    -------
    Evidence

    Raises
    ------
    ValueError
        If shapes do not fit, a class is unknown, a weight is not positive, or there is only one class.
    """
    n_classes = p.shape[1]
    if n_classes < 2:
        raise ValueError("with one class there is nothing to tell apart")
    kinds = [_checked(each, len(p), n_classes) for each in answers]
    if labels.shape != (len(p),) or (len(labels) and not (labels.min() >= 0 and labels.max() < n_classes)):
        raise ValueError(f"labels are {len(p)} classes from 0 to {n_classes - 1}")
    counted = _counted(weights, len(p))
    n = float(counted.sum())
    model = _log_doubted(p, n)
    pieces: list[tuple[int, Confusion | None]] = []
    logs: list[np.ndarray] = []
    for number, each in enumerate(kinds):
        hard = _hard(each)
        confusion = Confusion.of(labels, hard, counted, n_classes)
        pieces.append((number, confusion))
        logs.append(confusion.held_out(labels, hard, counted))
        if each.ndim == 2:
            pieces.append((number, None))
            logs.append(_log_shares(each))
    chosen: list[int] = []
    alone = reached = _maximise([model], labels, counted)
    while len(chosen) < len(pieces):
        rest = [place for place in range(len(pieces)) if place not in chosen]
        tries = [_maximise([model, *(logs[i] for i in (*chosen, place))], labels, counted) for place in rest]
        best = int(np.argmax([found[1] for found in tries]))
        if tries[best][1] - reached[1] < PRICE:
            break
        chosen.append(rest[best])
        reached = tries[best]
    if not chosen:
        return Evidence(1.0, (), 0.0, n)
    gain = reached[1] - alone[1]
    kept = 1 - PRICE * len(chosen) / gain
    powers = kept * reached[0][1:]
    found = tuple(Piece(*pieces[place], float(power)) for place, power in zip(chosen, powers, strict=True))
    return Evidence(float(1 + kept * (reached[0][0] - 1)), found, gain, n)


def last_change(right: np.ndarray) -> int:
    """Return the place of the first answer after the last change of a machine's accuracy; 0 if it is steady.

    A change is where two accuracies, before and after, explain the answers by `PRICE` nats better than one does
    (Hinkley and Hinkley 1970, "Inference About the Change-Point in a Sequence of Binomial Variables"). What the machine
    answered before it says nothing of what it answers now. Takes O(n changes) time.

    Parameters
    ----------
    right : ndarray of shape (n,), bool
        Whether each answer is right, the earliest answer first.
    """
    start = 0
    while len(rest := right[start:]) > 1:
        n, hits = np.arange(1, len(rest)), np.cumsum(rest)
        apart = _binomial(hits[:-1], n) + _binomial(hits[-1] - hits[:-1], len(rest) - n)
        best = int(apart.argmax())
        if apart[best] - _binomial(hits[-1], len(rest)) < PRICE:
            break
        start += best + 1
    return start


def _binomial(hits: np.ndarray, n: np.ndarray | int) -> np.ndarray:
    """Return the largest log likelihood of so many right answers of n."""
    likelihood: np.ndarray = xlogy(hits, hits / n) + xlogy(n - hits, 1 - hits / n)
    return likelihood


def _maximise(logs: Sequence[np.ndarray], labels: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the powers of (n, n_classes) log terms, the model's first, and the log likelihood of the labels."""
    terms, rows = np.stack(logs), np.arange(len(labels))
    stiff = np.array([STIFFNESS[0]] + [STIFFNESS[1]] * (len(logs) - 1))

    def cost(powers: np.ndarray) -> tuple[float, np.ndarray]:
        said = log_softmax(np.tensordot(powers, terms, 1), axis=1)
        pull = terms[:, rows, labels] - np.einsum("nk,jnk->jn", np.exp(said), terms)
        value = -weights @ said[rows, labels] + stiff @ (powers - 1) ** 2 / 2
        return float(value), -pull @ weights + stiff * (powers - 1)

    bounds = [(0.0, MOST[0])] + [(0.0, MOST[1])] * (len(logs) - 1)
    powers = minimize(cost, np.ones(len(logs)), jac=True, bounds=bounds, method="L-BFGS-B").x
    said = log_softmax(np.tensordot(powers, terms, 1), axis=1)
    return powers, float(weights @ said[rows, labels])


def _counted(weights: np.ndarray | None, n: int) -> np.ndarray:
    """Return weights whose sum is the effective number of labels."""
    if weights is None:
        return np.ones(n)
    weights = np.asarray(weights, np.float64)
    if weights.shape != (n,) or not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError(f"weights are {n} positive numbers")
    return weights * (weights.sum() / (weights**2).sum()) if n else weights


def _log_doubted(p: np.ndarray, n: float) -> np.ndarray:
    share = DOUBT / (n + DOUBT)
    logs: np.ndarray = np.log((1 - share) * p.astype(np.float64) + share / p.shape[1])
    return logs


def _log_shares(p: np.ndarray) -> np.ndarray:
    """Return the logarithms of a machine's probabilities, with zeros for an abstention."""
    logs: np.ndarray = np.log((1 - LEAST) * np.nan_to_num(p.astype(np.float64)) + LEAST / p.shape[1])
    return np.where(np.isnan(p).any(axis=1, keepdims=True), 0.0, logs)


def _hard(answers: np.ndarray) -> np.ndarray:
    """Return the best classes of probabilities; answers that are classes stay."""
    if answers.ndim == 1:
        return answers
    return np.where(np.isnan(answers).any(axis=1), ABSTAINED, np.nan_to_num(answers).argmax(axis=1))


def _checked(answers: np.ndarray, n: int, n_classes: int) -> np.ndarray:
    answers = np.asarray(answers)
    if answers.shape == (n, n_classes) and answers.dtype.kind == "f":
        if ((answers < 0) | (answers > 1)).any():
            raise ValueError("a machine's probabilities lie between 0 and 1")
        return answers
    if answers.shape != (n,) or answers.dtype.kind not in "iu":
        raise ValueError(f"a machine's answers are ({n},) classes or ({n}, {n_classes}) probabilities")
    if n and not (answers.min() >= ABSTAINED and answers.max() < n_classes):
        raise ValueError(f"a machine's answers lie in 0 … {n_classes - 1}, or are {ABSTAINED}")
    return answers.astype(np.int64)
