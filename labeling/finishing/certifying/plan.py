"""Plan an audit: the sets of labels that it may prove, and the order in which people are asked.

A plan is fixed before the first answer. Its candidates are ranked by a score, and cut into strata. Set j consists of
the strata 0 to j.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from labeling.finishing.certifying.bets import choose_stakes, choose_weights, expected_draws, growth, plausible
from labeling.finishing.certifying.people import most_seen

STRATA = 100
LEAST_SIZE = 5
SHRINKAGE = 0.25
"""The expected errors are drawn this far towards their mean: the most confident labels are often wrong more often than
calibration says."""


@dataclass(frozen=True, slots=True)
class Bets:
    """Bets that are made side by side, each for an expected share of errors: a factor times the calibrated one.

    factors, shares : of the bets, and their shares of the evidence at the start.
    weighed : the factors of the bets that the weights of the draws are made for.
    """

    factors: tuple[float, ...]
    shares: tuple[float, ...]
    weighed: tuple[float, ...]

    @property
    def calibrated(self) -> int:
        """The place of the bet for the calibrated errors."""
        return self.factors.index(1.0)


BETS = {
    1: Bets((1.0, 2.0), (0.75, 0.25), weighed=(1.0,)),
    2: Bets((0.1, 1.0, 2.0), (0.25, 0.5, 0.25), weighed=(0.1, 1.0, 2.0)),
}
"""By the number that an audit stores: a running audit keeps its bets when a release brings others."""
NEWEST_BETS = 2
UNSEEN_RISK = 0.1
"""The part of the risk for wrong labels that people take for right ones."""
FIRST_ATTEMPT = 2 / 3
"""The part of the risk for the first audit of a project; of what is left, the same part for the next one."""


@dataclass(frozen=True, slots=True)
class Target:
    """The largest number of wrong labels among n certified ones: `constant` + `share` × n."""

    share: float
    constant: float = 0.0

    def wrong(self, n: int) -> int:
        """Return the largest number of wrong labels among `n` certified ones; negative if out of reach."""
        return math.floor(self.constant + self.share * n + 1e-9)


@dataclass(frozen=True)
class Plan:
    """An audit's candidates, target and risk. The same values give the same weights, hypotheses and bets.

    sizes : (G,) int, the candidates of each stratum, the most probable labels first (`stratify`).
    expected : (G,) float, the share of wrong labels in each stratum by calibration.
    risk : the probability of a false proof: 1 - confidence (`of_attempt` splits it over attempts).
    missed : the probability that people take a wrong label for a right one (`people.chance_missed`).
    bets : a number of `BETS`.
    """

    sizes: np.ndarray
    expected: np.ndarray
    target: Target
    risk: float = 0.05
    missed: float = 0.0
    bets: int = NEWEST_BETS

    def __post_init__(self) -> None:
        if not len(self.sizes) or len(self.sizes) != len(self.expected) or self.sizes.min() < 1:
            raise ValueError("Every stratum needs at least one candidate, and an expected share of wrong labels.")
        if not 0 < self.risk < 1:
            raise ValueError(f"The risk must be between 0 and 1, not {self.risk}.")

    @property
    def shares(self) -> tuple[float, ...]:
        """The shares of the bets in the evidence at the start."""
        return BETS[self.bets].shares

    @property
    def unseen_risk(self) -> float:
        return self.risk * UNSEEN_RISK if self.missed else 0.0

    @property
    def threshold(self) -> float:
        """The logarithm of the evidence that proves a set."""
        return -math.log(self.risk - self.unseen_risk)

    @cached_property
    def ends(self) -> np.ndarray:
        """(G,) int: the candidates of each set."""
        return np.cumsum(self.sizes)

    @cached_property
    def weights(self) -> np.ndarray:
        """(G,) float: in proportion to them, chance draws among the remaining candidates."""
        return choose_weights(_times(BETS[self.bets].weighed, self._shrunk), self.sizes, int(self._allowed[-1]))

    @cached_property
    def stakes(self) -> np.ndarray:
        """(bets, sets, G) float: the stakes of each stratum's labels, by bet and set."""
        expected = _times(BETS[self.bets].factors, self._shrunk)[:, None]
        expected = np.tile(expected, (1, len(self.sizes), 1))
        expected = plausible(expected, self._members, self._allowed)
        return choose_stakes(self._chances, expected, self._members, self._allowed)

    @cached_property
    def least(self) -> np.ndarray:
        """(sets,) int: before a larger set is tried, at most this number of a set's labels has to be wrong, and no
        smaller number can be claimed of it.

        It is fixed before the audit: the number that the target allows among the labels that remain after the answers
        of `_at_most`. Nothing is added for errors that the audit will find: a model that errs less often than expected
        could not reach such a number. 0 for the last set, so that any claim of it may be proven. Negative if no proof
        is expected.
        """
        with np.errstate(invalid="ignore"):
            asked = np.minimum(self._at_most * self._within, self.ends)
        least = np.array([self.most(int(n)) for n in self.ends - asked])
        least[-1] = min(least[-1], 0)
        return least

    @cached_property
    def _at_most(self) -> np.ndarray:
        """(sets,) float: the answers after which a proof of each set is expected as if the pool were endless: up to
        twice as many as in a small pool.
        """
        expected = np.tile(np.clip(self.expected, 1e-6, 0.9), (len(self.sizes), 1))
        rates = self._within * growth(
            self._chances, self.stakes[BETS[self.bets].calibrated], expected, self._members, self._allowed
        )
        with np.errstate(divide="ignore"):
            answers = np.where(rates > 0, self._goal / np.maximum(rates, 0), np.inf)
        return np.where(self._allowed < self.ends, answers, 0)

    @property
    def _goal(self) -> float:
        """The logarithm of the evidence that proves a set, if the bet for the expected errors alone makes it."""
        return self.threshold - math.log(self.shares[BETS[self.bets].calibrated])

    @cached_property
    def answers(self) -> np.ndarray:
        """(sets,) float: the answers after which a proof is expected, if calibration is right; inf if none is."""
        answers = expected_draws(
            self.weights,
            self.stakes[BETS[self.bets].calibrated],
            np.clip(self.expected, 1e-6, 0.9),
            self.sizes,
            most=self._allowed,
            share=self.target.share,
            goal=self._goal,
        )
        return np.where(self._allowed < self.ends, answers, 0)

    @cached_property
    def first(self) -> int:
        """The set that is expected to be proven first. Smaller sets are not tried."""
        return int(np.argmin(np.where(self.least < 0, np.inf, self._at_most)))

    def most(self, n: int) -> int:
        """Return how many labels people may find wrong, if they were asked about all `n` certified ones; -1 if none."""
        return most_seen(self.target.wrong(n), self.missed, self.unseen_risk)

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """Return the candidates' ranks (N,) in the order in which people are asked.

        Exponential times with the weights as rates draw without replacement (Efraimidis and Spirakis 2006), and within
        each set as if its candidates were the only ones.
        """
        return np.argsort(rng.exponential(size=int(self.ends[-1])) / np.repeat(self.weights, self.sizes))

    def strata(self, ranks: np.ndarray) -> np.ndarray:
        """Return the strata of candidates."""
        return np.searchsorted(self.ends, ranks, side="right")

    @property
    def _shrunk(self) -> np.ndarray:
        mean = self.expected @ self.sizes / self.ends[-1]
        return (1 - SHRINKAGE) * self.expected + SHRINKAGE * mean

    @cached_property
    def _members(self) -> np.ndarray:
        """(sets, G) int: the sizes of a set's strata, 0 for the others."""
        return np.tril(np.ones((len(self.sizes), len(self.sizes)), np.int64)) * self.sizes

    @property
    def _chances(self) -> np.ndarray:
        """(sets, G) float: the chance of each candidate to be the first that is drawn from a set."""
        return self.weights / np.cumsum(self.sizes * self.weights)[:, None]

    @cached_property
    def _allowed(self) -> np.ndarray:
        """(sets,) int: how many of a set's labels people may find wrong, before any is asked about."""
        return np.array([max(self.most(int(n)), 0) for n in self.ends])

    @cached_property
    def _within(self) -> np.ndarray:
        """(sets,) float: the share of the first draws that fall within each set."""
        return np.cumsum(self.sizes * self.weights) / (self.sizes @ self.weights)


def _times(factors: tuple[float, ...], expected: np.ndarray) -> np.ndarray:
    return np.array(factors)[:, None] * expected


def stratify(probabilities: np.ndarray, *, n_strata: int = STRATA) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rank candidates by the probability of their labels and cut the ranks into strata of almost equal size.

    Returns the candidates (N,) by rank, ties in their given order; the strata's sizes (G,), each at least `LEAST_SIZE`
    if there are as many candidates; and the expected share of wrong labels (G,). Raises ValueError without candidates.
    """
    n = len(probabilities)
    if not n:
        raise ValueError("There are no candidates to audit.")
    ranked = np.argsort(-probabilities, kind="stable")
    groups = min(n_strata, max(n // LEAST_SIZE, 1))
    starts = np.arange(groups) * n // groups
    sizes = np.diff(np.append(starts, n))
    return ranked, sizes, np.add.reduceat(1 - probabilities[ranked], starts) / sizes


def of_attempt(risk: float, attempt: int) -> float:
    """Return the risk of the `attempt`-th audit of a project, counted from 1: the later, the less.

    A further audit, with another model, target or sample, is another chance for a false proof. The risks of all
    attempts sum to `risk`.

    >>> [round(of_attempt(0.05, attempt), 4) for attempt in (1, 2, 3)]
    [0.0333, 0.0111, 0.0037]
    """
    return risk * FIRST_ATTEMPT * (1 - FIRST_ATTEMPT) ** (attempt - 1)
