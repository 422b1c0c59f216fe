"""Whether a machine could stand in for a person: the alternative annotator test. Numpy and scipy only.

Source: Calderon, Reichart and Dror 2025, "The Alternative Annotator Test for LLM-as-a-Judge: How to Statistically
Justify Replacing Human Annotators with LLMs" (arXiv 2501.10970), sections 3 and 4.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control, t

from models_store.contrast import by_class

ADVANTAGE = 0.15
"""What a machine may fall behind a person, because it is cheaper: the paper's figure for skilled people."""
LEAST_PEOPLE, LEAST_ITEMS = 3, 30
"""The fewest people, and items of each, that the test takes: the paper's."""
FALSE_SHARE, WINS = 0.05, 0.5
"""The share of false rejections, and the share of people that a machine must win against."""
UNKNOWN = -1


@dataclass(frozen=True)
class StandIn:
    """The test's outcome.

    people : int
        The people it was made with: those with enough items that somebody else, or a known answer, can judge.
    won : int
        The people whom the machine replaces well enough.
    probability : float or None
        How probable it is that the machine's answer is at least as good as a person's; None without people.
    worse : tuple of int
        Classes, ascending, whose items the machine gets wrong more often than people, beyond noise.
    """

    people: int
    won: int
    probability: float | None
    worse: tuple[int, ...]

    @property
    def is_known(self) -> bool:
        """Whether there are enough people for an outcome."""
        return self.people >= LEAST_PEOPLE

    @property
    def passes(self) -> bool:
        """Whether the machine may stand in for a person: it wins against half of the people."""
        return self.is_known and self.won >= WINS * self.people


def stand_in(
    machine: np.ndarray, known: np.ndarray, items: np.ndarray, people: np.ndarray, answers: np.ndarray, n_classes: int
) -> StandIn:
    """Test whether a machine agrees with the other people as well as each single person does.

    A person is left out; on each item that the person answered, the machine or the person is nearer to the answers of
    all others. An item with a known answer has this in place of others. The machine wins against the person if it is
    nearer in at most `ADVANTAGE` fewer items, by a one-sided t test that is corrected for the number of people
    (Benjamini and Yekutieli 2001). Takes O(n log n) time.

    Parameters
    ----------
    machine : ndarray of shape (m,), int
        The machine's answer to each of m items.
    known : ndarray of shape (m,), int
        The known answer to each item, or UNKNOWN.
    items, people, answers : ndarray of shape (n,), int
        Each answer: the place of its item, who gave it, and the class. A person answers an item once.
    n_classes : int

    Returns
    -------
    StandIn

    Examples
    --------
    >>> machine, items = np.zeros(40, int), np.tile(np.arange(40), 3)
    >>> stand_in(machine, machine, items, np.repeat([1, 2, 3], 40), np.zeros(120, int), 2)
    StandIn(people=3, won=3, probability=1.0, worse=())
    """
    counts = np.zeros((len(machine), n_classes))
    np.add.at(counts, (items, answers), 1)
    others = counts[items]
    others[np.arange(len(items)), answers] -= 1
    settled = known[items] != UNKNOWN
    others[settled] = np.eye(n_classes)[known[items][settled]]
    judged = others.sum(axis=1) > 0
    items, people, answers, others = items[judged], people[judged], answers[judged], others[judged]
    rows = np.arange(len(items))
    mine, its = others[rows, answers], others[rows, machine[items]]
    p_values, shares = [], []
    for person in np.unique(people):
        of = people == person
        if of.sum() >= LEAST_ITEMS:
            p_values.append(_chance((mine >= its)[of].astype(float) - (its >= mine)[of]))
            shares.append((its >= mine)[of].mean())
    won = int((false_discovery_control(p_values, method="by") <= FALSE_SHARE).sum()) if p_values else 0
    return StandIn(
        len(shares), won, float(np.mean(shares)) if shares else None, _worse(machine, items, answers, others, n_classes)
    )


def _chance(differences: np.ndarray) -> float:
    """Return the p-value of differences, person minus machine, whose mean is not below `ADVANTAGE`."""
    n, spread = len(differences), differences.std(ddof=1)
    behind = differences.mean() - ADVANTAGE
    if spread == 0:
        return float(behind >= 0)
    return float(t.cdf(behind / (spread / np.sqrt(n)), n - 1))


def _worse(
    machine: np.ndarray, items: np.ndarray, answers: np.ndarray, others: np.ndarray, n_classes: int
) -> tuple[int, ...]:
    """Return the classes in which people are right more often than the machine, by one answer an item.

    An item's class is the most frequent answer of the others; where they are divided, it counts for none.
    """
    most = others.max(axis=1)
    agreed = (others == most[:, None]).sum(axis=1) == 1
    places = np.unique(items[agreed], return_index=True)[1]
    items, answers, truth = items[agreed][places], answers[agreed][places], others[agreed][places].argmax(axis=1)
    found = by_class(truth, answers, machine[items], n_classes)
    return tuple(np.flatnonzero(found.recall_differs & (found.correct_b < found.correct_a)).tolist())
