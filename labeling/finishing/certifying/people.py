"""Errors of the people who audit: which wrong labels an audit does not see, and what that adds to a bound.

A label counts as wrong if the first person answers differently and further people do not settle on the model's label:
a disagreement is asked again until two people agree.
"""

from bisect import bisect_right
from typing import NamedTuple

import numpy as np
from scipy.special import bdtr, betaincinv, gammaincinv

ROUNDS = 50
"""Steps of the expectation maximisation in `true_shares`: further ones change no digit that a page shows."""

SMALLEST = 1e-12


class Share(NamedTuple):
    """An expected share, and its lower and upper bounds, each with the stated confidence."""

    expected: float
    least: float
    most: float


def chance_missed(error: float, coincidence: float, people: int | None = None) -> float:
    """Return the most probable share of wrong labels that an audit takes for right ones.

    error : float below 0.5, the share of a person's answers that are wrong (`upper_error`).
    coincidence : float, the probability that a person's wrong answer equals the model's wrong label:
        1 / (K - 1) if errors spread evenly over K classes, up to 1 if people and the model confuse the same classes.
    people : int, those who can be asked; None if a person is never asked twice about an item.

    The first person gives the model's label with probability b = error × coincidence. Otherwise two more answers have
    to give it before two give the right one: at most 3 b² / (1 - error)². If all people have answered, and the first
    did not settle it, a person who gave the model's label may be asked again and repeat it: b × error^(people - 2).
    """
    if not 0 <= error < 0.5 or not 0 <= coincidence <= 1:
        raise ValueError(f"The error must be in [0, 0.5) and the coincidence in [0, 1], not {error} and {coincidence}.")
    same = error * coincidence
    repeated = 0.0 if people is None or people < 2 else same * error ** (people - 2)
    return min(same + repeated + 3 * (same / (1 - error)) ** 2, 1.0)


def upper_error(wrong: int, answers: int, confidence: float = 0.95) -> float:
    """Return the upper end of Clopper and Pearson's one-sided interval of the share of wrong answers, from gold items.

    >>> round(upper_error(6, 200), 3)
    0.058
    """
    return 1.0 if wrong >= answers else float(betaincinv(wrong + 1, answers - wrong, confidence))


def standardized(wrong: np.ndarray, n: np.ndarray, weights: np.ndarray, confidence: float = 0.95) -> Share:
    """Return the share of wrong ones in a population, from samples of its strata.

    wrong, n : (strata,) float, the wrong ones and the number in each sample; n > 0.
    weights : (strata,) float, the strata's shares of the population; sum 1.

    Bounds by the gamma distribution, which keep their confidence for all weights: Fay and Feuer 1997, *Confidence
    intervals for directly standardized rates*, Statistics in Medicine 16. With one stratum: those of a Poisson count.

    >>> [round(value, 3) for value in standardized(np.array([6.0]), np.array([200.0]), np.ones(1))]
    [0.03, 0.013, 0.059]
    """
    each = weights / n
    expected, variance, largest = float(each @ wrong), float(each**2 @ wrong), float(each.max())

    def bound(mean: float, variance: float, chance: float) -> float:
        return min(float(gammaincinv(mean**2 / variance, chance)) * variance / mean, 1.0)

    least = bound(expected, variance, 1 - confidence) if expected else 0.0
    return Share(min(expected, 1.0), least, bound(expected + largest, variance + largest**2, confidence))


def true_shares(confusion: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the shares (K,) of the true classes among labels, by expectation maximisation.

    confusion : (K, K) float, counts of known answers (rows) by the answer that people gave (columns).
    labels : (K,) float, counts of labels by class.

    If people take a third of class 0 for class 1, class 0 is rarer among the labels than in truth. Saerens et al. 2002,
    *Adjusting the outputs of a classifier to new a priori probabilities*.
    """
    likely = confusion + np.eye(len(confusion))
    likely /= likely.sum(axis=1, keepdims=True)
    given = labels / labels.sum()
    shares = np.full(len(labels), 1 / len(labels))
    for _ in range(ROUNDS):
        shares = shares * (likely @ (given / np.maximum(shares @ likely, SMALLEST)))
    return shares


def most_wrong(seen: int, missed: float, risk: float) -> int:
    """Return the number that wrong labels exceed with a probability of at most `risk`, if an audit of all of them would
    see at most `seen`, and misses each independently with the probability `missed`, below 1.

    >>> most_wrong(14, 0.0, 0.0025), most_wrong(14, 0.003, 0.0025)
    (14, 15)
    """
    most = seen
    while missed and bdtr(seen, most + 1, 1 - missed) > risk:
        most += 1
    return most


def most_seen(wrong: int, missed: float, risk: float) -> int:
    """Return the largest `seen` for which `most_wrong` is at most `wrong`; -1 if none is, as if `missed` is 1."""
    if not missed:
        return max(wrong, -1)
    if missed >= 1:
        return -1
    return bisect_right(range(wrong + 1), risk, key=lambda seen: bdtr(seen, wrong + 1, 1 - missed)) - 1
