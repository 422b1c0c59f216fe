"""Whether picking pays off: the uniform labels that reach the same accuracy, and the gain of the next batch.

Numpy only. Both are read off learning curves measured on a sample of the pool, extrapolated with their uncertainty. The
model of a learning curve: above a floor, the odds of an error fall by a power of the number of labels n, and the power
drifts slowly as n grows,

    error = floor + (1 - floor) · share,    ln(share / (1 - share)) = level + slope · ln n + DRIFT · W(ln n),

W an integrated Wiener process. For few errors that is a · n^-b + c, the law of learning curves (Hestness et al. 2017,
"Deep Learning Scaling is Predictable, Empirically", arXiv 1712.00409); odds extend it to errors of nearly 1, where
projects with many classes begin. The drift makes it a smoothing spline (Wahba 1978, "Improper Priors, Spline Smoothing
and the Problem of Guarding against Model Errors in Regression"): the curve follows the measurements, goes straight
beyond them, and its interval widens. Few labels can hardly show a floor, so several floors are tried and weighed by
their likelihood. Given the floor, all unknowns are Gaussian: intervals are quantiles of draws from the exact posterior.

Models that answered the same items are wrong on the same hard items: the noise of the points is correlated, and the
items give its covariance. A model also differs from the curve by the luck of its labels, SPREAD / n in variance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = (0.0, 3.0)
"""The prior of the curve at its first point, in log odds: mean and standard deviation."""
SLOPE = (-0.5, 0.4)
"""The prior of the slope, in log odds for each factor of e in labels. Most curves lie between -0.1 and -1."""
DRIFT = 0.07
"""Standard deviation of the change of slope over one factor of e."""
SPREAD = 2.0
"""Variance of log odds between models of the same n labels, times n: measured on digits, letters, satellite pixels and
Fashion-MNIST with 20 to 10,000 labels."""
FLOORS = (0.0, 0.4, 0.75)
"""The floors to try, as shares of the fewest measured errors: errors that stay with any number of labels, such as those
of wrong labels. Labels of the whole pool are both all uniform and all picked ones, so both have the same floor."""
FLOOR_WEIGHTS = (0.65, 0.175, 0.175)
"""The prior probabilities of the floors."""
DRAWS = 2000
POINTS = 48
"""Points of the grid that a curve is evaluated on."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measured:
    """The answers of m models, or of averages over several models, on n items drawn uniformly from the pool.

    Parameters
    ----------
    labels : ndarray of shape (m,), int64
        The number of labels that each model learned from.
    wrong : ndarray of shape (m, n), bool
    seen : ndarray of shape (m, n), bool
        Whether the model has answered the item without having learned from it.
    models : ndarray of shape (m,), int64
        The number of models in the average, 1 for a single model.
    """

    labels: NDArray[np.int64]
    wrong: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    models: NDArray[np.int64]

    @classmethod
    def of(
        cls, labels: ArrayLike, wrong: ArrayLike, seen: ArrayLike | None = None, models: ArrayLike | None = None
    ) -> "Measured":
        """Check the arrays, and return them as one object. By default, all models are single and have seen all items.

        Raises ValueError if shapes do not fit, if there is no row, or if a row has no label or has seen no item.
        """
        n_labels, errors = np.asarray(labels, np.int64), np.asarray(wrong, bool)
        looked = np.ones(errors.shape, bool) if seen is None else np.asarray(seen, bool)
        averaged = np.ones(len(n_labels), np.int64) if models is None else np.asarray(models, np.int64)
        if errors.ndim != 2 or looked.shape != errors.shape or not n_labels.shape == averaged.shape == errors.shape[:1]:
            raise ValueError(f"shapes {n_labels.shape}, {errors.shape} and {looked.shape} do not belong together")
        if not len(n_labels) or n_labels.min() < 1 or averaged.min() < 1 or not looked.any(axis=1).all():
            raise ValueError("each model has learned from a label at least and has seen an item at least")
        return cls(n_labels, errors, looked, averaged)

    def rows(self, which: Sequence[int] | NDArray[np.int64]) -> "Measured":
        return Measured(self.labels[which], self.wrong[which], self.seen[which], self.models[which])

    def joined(self, other: "Measured") -> "Measured":
        """Return the rows of both, over the same items."""
        return Measured(
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.wrong, other.wrong]),
            np.concatenate([self.seen, other.seen]),
            np.concatenate([self.models, other.models]),
        )


@dataclass(frozen=True)
class OpenEstimate:
    """An estimate with the ends of its 95 % interval; null for a value beyond the limit of the estimate."""

    value: float | None
    low: float
    high: float | None


@dataclass(frozen=True, eq=False)
class Band:
    """A curve of accuracy over labels: four (POINTS,) arrays, labels, the median, and the ends of 95 % intervals."""

    labels: Floats
    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class UniformNeeds:
    """The number of uniform labels that a model as good as the one in use needs, and the curve that it is read off."""

    needed: OpenEstimate
    curve: Band


@dataclass(frozen=True)
class NextGain:
    """The gain in accuracy: `expected` of models with so many labels, `predicted` of the next one, luck included."""

    expected: OpenEstimate
    predicted: OpenEstimate


def uniform_needs(uniform: Measured, used: Measured, *, limit: int, seed: int = 0) -> UniformNeeds:
    """Estimate how many uniform labels reach the accuracy of the model in use.

    The interval covers the uncertainty of the model's accuracy and of the curve. The same arguments give the same
    result. Takes O(m² n + DRAWS · POINTS) time.

    Parameters
    ----------
    uniform : Measured
        m models that learned from uniform labels.
    used : Measured
        The model in use: one row, on the same n items.
    limit : int
        The most labels, such as the size of the pool. A result beyond it has no upper bound.
    seed : int

    Returns
    -------
    UniformNeeds
    """
    m, both = len(uniform.labels), uniform.joined(used)
    start, end = np.log([uniform.labels.min(), max(limit, uniform.labels.max() + 1)])
    grid = np.linspace(start, end, POINTS)
    # The unknowns: the curve where it was measured and on the grid, and the log odds of the model in use.
    at = np.concatenate([np.log(uniform.labels), grid])
    mean, prior = np.zeros(m + POINTS + 1), np.zeros((m + POINTS + 1, m + POINTS + 1))
    mean[:-1], prior[:-1, :-1], prior[-1, -1] = _mean(at, start), _covariance(at, start), 100.0
    luck = np.append(SPREAD / uniform.labels / uniform.models, 0.0)
    places = np.append(np.arange(m), m + POINTS)
    floors, drawn = _draws(both, _Unknowns(mean, prior, places, luck), curve=m, seed=seed)
    curves, aim = _share(drawn[:, m:-1], floors), _share(drawn[:, -1:])
    needed = np.exp(_first_crossing(curves, aim, grid))
    return UniformNeeds(_estimate(needed, farthest=np.exp(end)), _band(grid, curves))


def next_gain(versions: Measured, more: int, *, seed: int = 0) -> NextGain:
    """Estimate the gain in accuracy of a next version. The same arguments give the same result.

    Parameters
    ----------
    versions : Measured
        The versions so far, in order.
    more : int
        The number of further labels that the next version learns from.
    seed : int

    Returns
    -------
    NextGain
        In shares of 1.
    """
    labels = np.append(versions.labels, versions.labels[-1] + max(more, 1))
    x, m = np.log(labels), len(versions.labels)
    curve = _covariance(x, x.min())
    # The unknowns: the curve, and the models, which differ from it by their luck.
    prior = np.block([[curve, curve], [curve, curve + np.diag(SPREAD / labels)]])
    unknowns = _Unknowns(np.tile(_mean(x, x.min()), 2), prior, np.arange(m + 1, 2 * m + 1), np.zeros(m))
    floors, drawn = _draws(versions, unknowns, curve=m, seed=seed)
    errors = _share(drawn, floors)
    return NextGain(
        expected=_estimate(errors[:, m - 1] - errors[:, m]),
        predicted=_estimate(errors[:, -2] - errors[:, -1]),
    )


@dataclass(frozen=True, eq=False)
class _Unknowns:
    """k Gaussian unknowns, (k,) and (k, k), the measured ones among them, (m,), and the variance of luck, (m,)."""

    mean: Floats
    prior: Floats
    measured: NDArray[np.int64]
    luck: Floats


def _draws(measured: Measured, unknowns: _Unknowns, *, curve: int, seed: int) -> tuple[Floats, Floats]:
    """Return draws of the floor, (DRAWS, 1), and of the unknowns above it, (DRAWS, k), given the measurements.

    The first `curve` rows lie on the curve and decide how likely each floor is; it does not apply to the other rows.
    """
    rng = np.random.default_rng(seed)
    share, covariance = _errors(measured)
    on_curve = np.arange(len(share)) < curve
    floors = np.array(FLOORS) * share.min()
    fits, likely = [], np.zeros(len(floors))
    for place, least in enumerate(floors):
        floor = np.where(on_curve, least, 0.0)
        above = (share - floor) / (1 - floor)
        steepness = 1 / ((1 - floor) * above * (1 - above))
        noise = covariance * np.outer(steepness, steepness) + np.diag(unknowns.luck)
        odds = np.log(above / (1 - above))
        fits.append((odds, noise))
        likely[place] = _log_likelihood(odds, noise, unknowns, curve) + np.log(steepness[:curve]).sum()
    weights = np.exp(likely - likely.max()) * np.array(FLOOR_WEIGHTS)
    counts = rng.multinomial(DRAWS, weights / weights.sum())
    drawn = [_draw(unknowns, *fit, count, rng) for fit, count in zip(fits, counts, strict=True) if count]
    return np.repeat(floors, counts)[:, None], np.concatenate(drawn)


def _errors(measured: Measured) -> tuple[Floats, Floats]:
    """Return the share of errors of each model, (m,), and the covariance, (m, m), of their noise by the draw of the
    items.

    Half an error and half a right answer are added, so that no share is 0 or 1.
    """
    sizes = measured.seen.sum(axis=1)
    share = ((measured.wrong & measured.seen).sum(axis=1) + 0.5) / (sizes + 1)
    residuals = np.where(measured.seen, measured.wrong - share[:, None], 0.0) / sizes[:, None]
    covariance = residuals @ residuals.T
    least = share * (1 - share) / (sizes + 1)
    np.fill_diagonal(covariance, np.maximum(np.diag(covariance), least))
    return share, covariance


def _mean(x: Floats, origin: float) -> Floats:
    mean: Floats = LEVEL[0] + SLOPE[0] * (x - origin)
    return mean


def _covariance(x: Floats, origin: float) -> Floats:
    """Return the prior covariance, (k, k), of the curve's values at (k,) log labels."""
    u = x - origin
    shorter, longer = np.minimum.outer(u, u), np.maximum.outer(u, u)
    wiener = shorter**2 * (3 * longer - shorter) / 6
    covariance: Floats = LEVEL[1] ** 2 + SLOPE[1] ** 2 * np.outer(u, u) + DRIFT**2 * wiener
    return covariance


def _log_likelihood(values: Floats, noise: Floats, unknowns: _Unknowns, first: int) -> float:
    """Return the log likelihood of the first measured values, up to a constant."""
    places = unknowns.measured[:first]
    covariance = unknowns.prior[np.ix_(places, places)] + noise[:first, :first]
    residual = values[:first] - unknowns.mean[places]
    return float(-0.5 * (np.linalg.slogdet(covariance)[1] + residual @ np.linalg.solve(covariance, residual)))


def _draw(unknowns: _Unknowns, values: Floats, noise: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Draw the unknowns, (count, k), given noisy values of the measured ones."""
    across = unknowns.prior[:, unknowns.measured]
    weights = np.linalg.solve(across[unknowns.measured] + noise, across.T).T
    centre = unknowns.mean + weights @ (values - unknowns.mean[unknowns.measured])
    left = unknowns.prior - weights @ across.T
    spread, directions = np.linalg.eigh((left + left.T) / 2)
    drawn: Floats = rng.standard_normal((count, len(centre))) @ (directions * np.sqrt(np.maximum(spread, 0.0))).T
    return centre + drawn


def _first_crossing(curves: Floats, aim: Floats, grid: Floats) -> Floats:
    """Return the log labels, (DRAWS,), at which each curve first reaches its aim; infinite if it never does."""
    below = curves <= aim
    first = below.argmax(axis=1)
    turn = np.arange(len(curves))
    before = np.maximum(first - 1, 0)
    above, under = curves[turn, before] - aim[:, 0], aim[:, 0] - curves[turn, first]
    share = np.where(first > 0, above / np.maximum(above + under, 1e-12), 0.0)
    crossing = grid[before] + share * (grid[first] - grid[before])
    return np.where(below.any(axis=1), crossing, np.inf)


def _estimate(draws: Floats, farthest: float = np.inf) -> OpenEstimate:
    low, value, high = np.quantile(draws, [0.025, 0.5, 0.975], method="nearest")
    return OpenEstimate(
        value=float(value) if value <= farthest else None,
        low=float(min(low, farthest)),
        high=float(high) if high <= farthest else None,
    )


def _band(grid: Floats, errors: Floats) -> Band:
    high, value, low = np.quantile(errors, [0.025, 0.5, 0.975], axis=0)
    return Band(labels=np.exp(grid), value=1 - value, low=1 - low, high=1 - high)


def _share(odds: Floats, floor: Floats | float = 0.0) -> Floats:
    """Return the share of errors, from log odds above the floor."""
    share: Floats = floor + (1 - floor) / (1 + np.exp(-odds))
    return share
