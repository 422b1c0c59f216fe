"""Simulated people: their answers, and the time of each way of asking.

Times follow the keystroke-level model (Card, Moran & Newell, "The keystroke-level model for user performance time with
interactive systems", CACM 1980) and the model human processor (the same, "The Psychology of Human-Computer
Interaction", 1983): people who know the task and the page, are not tired, do not wait and take no breaks. Errors come
from studies of other tasks, cited beside each number, and not from measurements on this product's pages.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

K = 0.28
"""Seconds per keystroke or mouse click of an average non-secretary typist (Card, Moran & Newell 1980)."""
P = 1.10
"""Seconds to point at a target with the mouse (1980)."""
H = 0.40
"""Seconds to move the hand between keyboard and mouse (1980)."""
M = 1.35
"""Seconds to prepare mentally for a unit of work, here a task or a page (1980)."""
BIT = 0.15
"""Seconds per bit of a choice: the uncertainty principle, after Hick (1952) and Hyman (1953), as in 1983."""
GLANCE = 0.40
"""Seconds to look at one more picture beside others: eye movement 0.23, perception 0.10, cognitive step 0.07 (1983)."""

ERROR = 0.03
"""Share of wrong answers to one item at a time. Krishna et al. ("Embracing error to enable rapid crowdsourcing", CHI
2016) measured a precision of 0.97 and a recall of 0.96 where crowds verified images in the usual way."""
ANCHORED = 0.17
"""Share of answers that are the suggestion, whatever the person would have answered alone. Goddard, Roudsari & Wyatt
(2014): 5.2 % of all cases were turned from right to wrong by advice, which was wrong in 6 of 20."""
PREVALENCE, MISSED = (0.01, 0.1, 0.5), (0.30, 0.16, 0.07)
"""Share of odd pictures, and of those the share that is overlooked: Wolfe, Horowitz & Kenner (Nature 2005)."""


class Answers(NamedTuple):
    labels: NDArray[np.int64]
    seconds: float


class People:
    """The answers of people to each item of a pool. A repeated question has the same answer, so that ways are
    comparable.

    truth: (n,) the right classes. Wrong answers are spread evenly over the other classes.
    """

    def __init__(self, truth: NDArray[np.int64], n_classes: int, seed: int, error: float = ERROR) -> None:
        rng = np.random.default_rng([seed, 13])
        n = len(truth)
        self.truth, self.n_classes = truth, n_classes
        wrong = self._wrong(rng)
        self.alone = np.where(rng.random(n) < error, wrong, truth)
        """(n,) the answers to an item alone on the page."""
        self._anchored = rng.random(n) < ANCHORED
        self._alert = rng.random(n)
        self._slips = rng.random(n) < error

    def _wrong(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return a wrong answer to each item."""
        return np.asarray((self.truth + rng.integers(1, self.n_classes, len(self.truth))) % self.n_classes)

    @property
    def task(self) -> float:
        """Return the seconds for one item alone: think, choose among the classes, press a key."""
        return M + BIT * math.log2(self.n_classes) + K

    def one_by_one(self, rows: NDArray[np.int64]) -> Answers:
        return Answers(self.alone[rows], len(rows) * self.task)

    def suggested(self, rows: NDArray[np.int64], guesses: NDArray[np.int64]) -> Answers:
        """Answer items one by one with a guess shown: think, say yes or no; after a no, choose among the other
        classes.
        """
        labels = np.where(self._anchored[rows], guesses, self.alone[rows])
        refused = int((labels != guesses).sum())
        choosing = BIT * math.log2(self.n_classes - 1)
        return Answers(labels, len(rows) * (M + BIT + K) + refused * choosing)

    def in_a_grid(self, rows: NDArray[np.int64], guess: int) -> Answers:
        """Answer items of one predicted class side by side: look at each, click the wrong ones, press a key.

        Those clicked are asked one by one afterwards. A right one is clicked as often as one alone is answered wrong.
        """
        odd = self._seen_as_odd(rows, self.truth[rows] != guess)
        again = self.one_by_one(rows[odd])
        labels = np.full(len(rows), guess)
        labels[odd] = again.labels
        return Answers(labels, M + len(rows) * GLANCE + K + self._clicks(int(odd.sum()), trips=1) + again.seconds)

    def copies(self, sources: NDArray[np.int64], copies: NDArray[np.int64]) -> tuple[NDArray[np.bool_], float]:
        """Return the copies that stay beside their sources (a mask), and the additional seconds for all of them.

        sources, copies: (m,) each. A glance at each copy, a click on the odd ones.
        """
        odd = self._seen_as_odd(copies, self.truth[copies] != self.truth[sources])
        trips = len(np.unique(sources[odd]))
        return ~odd, len(copies) * GLANCE + self._clicks(int(odd.sum()), trips)

    def _seen_as_odd(self, rows: NDArray[np.int64], odd: NDArray[np.bool_]) -> NDArray[np.bool_]:
        overlooked = self._alert[rows] < missed(float(odd.mean()) if len(odd) else 0.0)
        return np.where(odd, ~overlooked, self._slips[rows])

    def _clicks(self, count: int, trips: int) -> float:
        """Return the seconds of `count` clicks; the hand moves to the mouse and back once per trip."""
        return count * (P + K) + 2 * H * min(trips, count)


def missed(prevalence: float) -> float:
    """Return the share of odd pictures that people overlook at this prevalence, linear in its logarithm.

    >>> round(missed(0.5), 2), round(missed(0.001), 2)
    (0.07, 0.3)
    """
    return float(np.interp(math.log(max(prevalence, PREVALENCE[0])), np.log(PREVALENCE), MISSED))
