"""Slow, independent references for the tests: exact evidence, exact chances of sequences of draws, simulated audits."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import numpy as np

from labeling.finishing.certifying.plan import Plan, Target

Draw = tuple[int, bool]
Judge = Callable[[Plan, np.ndarray, np.ndarray], tuple[int, int] | None]
"""Returns the last stratum of the proven set, and the number of wrong labels that are proven to be left at most."""


def exact_evidence(
    draws: Sequence[Draw], sizes: Sequence[int], weights: Sequence[int], stakes: Sequence[Fraction], most: int
) -> Fraction:
    """Return the evidence of a sequence of draws, by its definition."""
    left, claimed, product = list(sizes), most + 1, Fraction(1)
    for stratum, wrong in draws:
        whole = sum(n * w for n, w in zip(left, weights, strict=True))
        rest = sum(n * r for n, r in zip(left, stakes, strict=True)) - claimed
        product *= whole * (stakes[stratum] - wrong) / (weights[stratum] * rest)
        left[stratum] -= 1
        claimed -= wrong
    return product


def sequences(
    left: Sequence[int], wrong_left: Sequence[int], weights: Sequence[float | int | Fraction], n: int
) -> Iterator[tuple[list[Draw], Fraction]]:
    """Return all sequences of n draws, as strata and whether the label is wrong, with their exact chances."""
    if not n:
        yield [], Fraction(1)
        return
    whole = sum(Fraction(w) * k for w, k in zip(weights, left, strict=True))
    for stratum, size in enumerate(left):
        for wrong, count in ((True, wrong_left[stratum]), (False, size - wrong_left[stratum])):
            if not count:
                continue
            fewer, fewer_wrong = list(left), list(wrong_left)
            fewer[stratum] -= 1
            fewer_wrong[stratum] -= wrong
            chance = Fraction(weights[stratum]) * count / whole
            for rest, chance_of_rest in sequences(fewer, fewer_wrong, weights, n - 1):
                yield [(stratum, wrong), *rest], chance * chance_of_rest


def false_proof(
    plan: Plan, wrong: np.ndarray, seen: np.ndarray, order: np.ndarray, looks: Sequence[int], judge: Judge
) -> bool:
    """Return whether the judge claims too few wrong labels for some set after one of the looks.

    wrong, seen : (N,) bool, the truth, and the labels that people find wrong if they are asked, by rank.
    """
    for n in looks:
        claim = judge(plan, order[:n], seen[order[:n]])
        if claim:
            rest = np.setdiff1d(np.arange(plan.ends[claim[0]]), order[:n])
            if wrong[rest].sum() > claim[1]:
                return True
    return False


def pool(rng: np.random.Generator, n: int, accuracy: float, spread: float = 3.0) -> np.ndarray:
    """Return the probabilities (n,) that labels are wrong, ascending: few are doubtful, most are nearly certain."""
    doubts = spread * rng.normal(size=n)
    low, high = -20.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 / (1 + np.exp(middle + doubts))).mean() > 1 - accuracy else (low, middle)
    return np.sort(1 / (1 + np.exp(low + doubts)))


TARGET = Target(0.05)
