"""Compares learning curves: the labels to reach an accuracy, and tests over seeds.

A curve is accuracy (points,) over labels (points,); a strategy has a curve for each seed, (seeds, points). The seeds
are paired: with the same seed, strategies share the data, the first batch and the initial weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats
from sklearn.isotonic import isotonic_regression

LEVEL = 0.95
RESAMPLES = 4000


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval. None: never reached; as a bound: beyond the budget, or unknown."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Comparison:
    """One strategy minus another, as shares of 1, at the points after the first, which the strategies share."""

    mean_difference: Estimate
    """Of the mean accuracy over all the points."""
    differences: list[Estimate]
    """One a point."""
    p_worse: list[float | None]
    """One a point: one-sided paired t test that it is worse, Holm-corrected for the number of points."""
    p_better: list[float | None]
    """The same for better."""


def labels_to_reach(labels: np.ndarray, accuracies: np.ndarray, target: float) -> float:
    """Return labels at which a curve reaches the target; infinity if it does not.

    A curve has noise, and its highest point so far would flatter it. So it is first replaced by the non-decreasing
    curve nearest to it (isotonic regression), and then followed along straight lines between the points. A curve that
    starts at the target or above needs the labels of its first point at most, and that is what it is given.

    >>> labels_to_reach(np.array([100, 200, 300]), np.array([0.5, 0.7, 0.8]), 0.6)
    150.0
    """
    risen = isotonic_regression(accuracies)
    reached = np.flatnonzero(risen >= target)
    if not len(reached):
        return float("inf")
    after = int(reached[0])
    if after == 0:
        return float(labels[0])
    share = (target - risen[after - 1]) / (risen[after] - risen[after - 1])
    return float(labels[after - 1] + share * (labels[after] - labels[after - 1]))


def needed(labels: np.ndarray, curves: Mapping[str, np.ndarray], baseline: str) -> tuple[float, dict[str, float]]:
    """Return the accuracy that the baseline ends with (of its mean curve, made non-decreasing), and the labels to
    it.
    """
    means = {name: runs.mean(axis=0) for name, runs in curves.items()}
    target = float(isotonic_regression(means[baseline])[-1])
    return target, {name: labels_to_reach(labels, mean, target) for name, mean in means.items()}


def efficiency(
    labels: np.ndarray, curves: Mapping[str, np.ndarray], baseline: str, rivals: tuple[str, ...], *, seed: int = 0
) -> tuple[float, dict[str, Estimate], dict[str, dict[str, Estimate]]]:
    """(target, labels needed by strategy, share of the rival's labels by rival and strategy), with intervals.

    Intervals are a paired bootstrap: seeds are drawn with replacement, the same for all strategies, and everything,
    the target too, is recomputed from their mean curves (percentiles of 4,000 draws). With few seeds such
    intervals are somewhat too narrow. With one seed there are none. A rival that does not reach the target is counted
    with the whole budget, which favours it.
    """
    target, point = needed(labels, curves, baseline)
    seeds = len(curves[baseline])
    drawn: list[dict[str, float]] = []
    if seeds > 1:
        rng = np.random.default_rng(seed)
        for rows in rng.integers(0, seeds, (RESAMPLES, seeds)):
            drawn.append(needed(labels, {name: runs[rows] for name, runs in curves.items()}, baseline)[1])
    needs = {name: estimate(point[name], [draw[name] for draw in drawn]) for name in curves}
    shares = {
        rival: {
            name: estimate(
                point[name] / min(point[rival], labels[-1]),
                [draw[name] / min(draw[rival], labels[-1]) for draw in drawn],
            )
            for name in curves
        }
        for rival in rivals
        if rival in curves
    }
    return target, needs, shares


def compare(ours: np.ndarray, theirs: np.ndarray) -> Comparison:
    """Paired over seeds: two (seeds, points) arrays of the same seeds. Their first point is left out.

    Intervals and tests are Student's t over the differences of each seed. Corrected p values bound the chance of even
    one false alarm along the curve at their level (Holm 1979), whatever the dependence between its points. With one
    seed there are neither intervals nor tests.
    """
    differences = (ours - theirs)[:, 1:]
    return Comparison(
        mean_difference=mean_with_interval(differences.mean(axis=1)),
        differences=[mean_with_interval(column) for column in differences.T],
        p_worse=holm([_p_below_zero(column) for column in differences.T]),
        p_better=holm([_p_below_zero(-column) for column in differences.T]),
    )


def mean_with_interval(values: np.ndarray) -> Estimate:
    """Mean of (seeds,) values with Student's t interval."""
    mean = float(values.mean())
    if len(values) < 2:
        return Estimate(mean, None, None)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Estimate(mean, mean - reach, mean + reach)


def holm(p_values: list[float | None]) -> list[float | None]:
    """Corrected p values, in the order given; None stays None.

    >>> holm([0.01, 0.5, 0.02])
    [0.03, 0.5, 0.04]
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        corrected[place] = highest
    return corrected


def _p_below_zero(values: np.ndarray) -> float | None:
    """One-sided p of the mean of (seeds,) values being below 0."""
    if len(values) < 2:
        return None
    # Sums of like values differ in the last bits: a spread of that size is none.
    if values.std(ddof=1) <= 1e-12:
        return 0.0 if values.mean() < -1e-12 else 1.0
    return float(stats.ttest_1samp(values, 0, alternative="less").pvalue)


def estimate(value: float, draws: list[float]) -> Estimate:
    """Return a value with the percentiles of its bootstrap draws, of which there are none with one seed."""
    if not draws:
        return Estimate(_finite(value), None, None)
    tail = (1 - LEVEL) / 2
    # No interpolation: between a number and "never" there is nothing.
    low, high = np.quantile(draws, [tail, 1 - tail], method="inverted_cdf")
    return Estimate(_finite(value), _finite(low), _finite(high))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
