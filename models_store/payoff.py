"""Whether picking pays off: how many labels drawn uniformly would have done the same, and what the next batch brings.

Numpy only. Both are read off learning curves that were measured on a sample of the pool, extrapolated with what is
not known of them. The model of a learning curve: above a floor, the odds of an error fall by a power of the number of
labels n, and the power drifts slowly as n grows,

    error = floor + (1 - floor) · share,    ln(share / (1 - share)) = level + slope · ln n + DRIFT · W(ln n),

W an integrated Wiener process. Where errors are few, that is a · n^-b + c, the law that learning curves are found to
follow (Hestness et al. 2017, "Deep Learning Scaling is Predictable, Empirically", arXiv 1712.00409); odds keep it up
to errors of nearly 1, where many classes begin. The drift makes it a smoothing spline (Wahba 1978, "Improper Priors,
Spline Smoothing and the Problem of Guarding against Model Errors in Regression"): where it was measured the curve
follows what was measured, farther on it goes straight, and its interval opens up. Whether there is a floor can hardly
be told from few labels, so a few are tried, each weighed by how well it explains what was measured. Given the floor
all unknowns are Gaussian: intervals are quantiles of draws from the exact posterior.

Models that answered the same items are wrong on the same hard ones: the noise of all points is correlated, as the
items say it is. A model also differs from the curve by the luck of its labels, SPREAD / n in variance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = (0.0, 3.0)
"""Of the curve at its first point, in log odds: mean and standard deviation of what is believed before measuring."""
SLOPE = (-0.5, 0.4)
"""Log odds for each factor of e in labels: the same. Curves mostly lie between -0.1 and -1."""
DRIFT = 0.07
"""Standard deviation of the change of slope over one factor of e."""
SPREAD = 2.0
"""Variance of log odds between models of the same n labels, times n: as found on digits, letters, satellite pixels and
Fashion-MNIST with 20 to 10,000 labels."""
FLOORS = (0.0, 0.4, 0.75)
"""Shares of the fewest errors measured that may be left however many labels there are: wrong labels, say. All items of
the pool labeled are both all uniform labels and all picked ones: what one can reach is no floor of the other."""
FLOOR_WEIGHTS = (0.65, 0.175, 0.175)
"""How likely they are before anything is measured."""
DRAWS = 2000
POINTS = 48
"""Of the grid on which curves are looked at."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measured:
    """The answers of m models, or averages over several, on n items drawn uniformly from the pool.

    labels (m,): that each learned from. wrong (m, n) bool. seen (m, n) bool: whether it has answered without having
    learned from the item. models (m,): how many were averaged, 1 if a row is one model.
    """

    labels: NDArray[np.int64]
    wrong: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    models: NDArray[np.int64]

    @classmethod
    def of(
        cls, labels: ArrayLike, wrong: ArrayLike, seen: ArrayLike | None = None, models: ArrayLike | None = None
    ) -> "Measured":
        """Raises ValueError for shapes that do not fit, no row, labels below 1, or a row that has seen no item."""
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
        """Both, over the same items."""
        return Measured(
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.wrong, other.wrong]),
            np.concatenate([self.seen, other.seen]),
            np.concatenate([self.models, other.models]),
        )


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval. `high` is None where there is no upper bound; `value` is None where it is more
    likely than not beyond all bounds.
    """

    value: float | None
    low: float
    high: float | None


@dataclass(frozen=True, eq=False)
class Band:
    """A curve of accuracy over labels, four (POINTS,) arrays: labels, the median, and the ends of 95 % intervals."""

    labels: Floats
    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class UniformNeeds:
    """Labels drawn uniformly that a model as good as the one in use needs, and the curve that this is read off."""

    needed: Estimate
    curve: Band


@dataclass(frozen=True)
class NextGain:
    """What labels bring: `expected` of any models with so many, and `predicted` of the next one, luck included."""

    expected: Estimate
    predicted: Estimate


def uniform_needs(uniform: Measured, used: Measured, *, limit: int, seed: int = 0) -> UniformNeeds:
    """How many uniform labels reach the accuracy of one model, `used`, from models that learned from uniform labels.

    The interval covers what is not known of the model's accuracy as well as of the curve. Beyond `limit` labels, the
    size of the pool say, nothing is told apart: there is no upper bound then. The same arguments give the same result.
    Takes O(m² n + DRAWS · POINTS) time.
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
    """The accuracy, in shares of 1, that a next version gains over the last one if it learns from `more` labels more.

    Versions in order. The same arguments give the same result.
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
    """k Gaussian unknowns, (k,) and (k, k), which of them were measured, (m,), and the variance of models' luck."""

    mean: Floats
    prior: Floats
    measured: NDArray[np.int64]
    luck: Floats


def _draws(measured: Measured, unknowns: _Unknowns, *, curve: int, seed: int) -> tuple[Floats, Floats]:
    """Draws of the floor, (DRAWS, 1), and of the unknowns above it, (DRAWS, k), given what was measured.

    The first `curve` rows lie on the curve and say which floor is likely; the floor is none to the others.
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
    """The share of errors of each model, (m,), and the covariance (m, m) of their noise by the draw of the items.

    Half an error and half a right answer are added, so that none is 0 or 1.
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
    """Of the curve's values at (k,) log labels, before anything is measured."""
    u = x - origin
    shorter, longer = np.minimum.outer(u, u), np.maximum.outer(u, u)
    wiener = shorter**2 * (3 * longer - shorter) / 6
    covariance: Floats = LEVEL[1] ** 2 + SLOPE[1] ** 2 * np.outer(u, u) + DRIFT**2 * wiener
    return covariance


def _log_likelihood(values: Floats, noise: Floats, unknowns: _Unknowns, first: int) -> float:
    """Of the first measured values, but for a constant."""
    places = unknowns.measured[:first]
    covariance = unknowns.prior[np.ix_(places, places)] + noise[:first, :first]
    residual = values[:first] - unknowns.mean[places]
    return float(-0.5 * (np.linalg.slogdet(covariance)[1] + residual @ np.linalg.solve(covariance, residual)))


def _draw(unknowns: _Unknowns, values: Floats, noise: Floats, count: int, rng: np.random.Generator) -> Floats:
    """(count, k) draws of the unknowns, given noisy values of those measured."""
    across = unknowns.prior[:, unknowns.measured]
    weights = np.linalg.solve(across[unknowns.measured] + noise, across.T).T
    centre = unknowns.mean + weights @ (values - unknowns.mean[unknowns.measured])
    left = unknowns.prior - weights @ across.T
    spread, directions = np.linalg.eigh((left + left.T) / 2)
    drawn: Floats = rng.standard_normal((count, len(centre))) @ (directions * np.sqrt(np.maximum(spread, 0.0))).T
    return centre + drawn


def _first_crossing(curves: Floats, aim: Floats, grid: Floats) -> Floats:
    """(DRAWS,) log labels at which each curve first comes down to its aim; infinite where it never does."""
    below = curves <= aim
    first = below.argmax(axis=1)
    turn = np.arange(len(curves))
    before = np.maximum(first - 1, 0)
    above, under = curves[turn, before] - aim[:, 0], aim[:, 0] - curves[turn, first]
    share = np.where(first > 0, above / np.maximum(above + under, 1e-12), 0.0)
    crossing = grid[before] + share * (grid[first] - grid[before])
    return np.where(below.any(axis=1), crossing, np.inf)


def _estimate(draws: Floats, farthest: float = np.inf) -> Estimate:
    low, value, high = np.quantile(draws, [0.025, 0.5, 0.975], method="nearest")
    return Estimate(
        value=float(value) if value <= farthest else None,
        low=float(min(low, farthest)),
        high=float(high) if high <= farthest else None,
    )


def _band(grid: Floats, errors: Floats) -> Band:
    high, value, low = np.quantile(errors, [0.025, 0.5, 0.975], axis=0)
    return Band(labels=np.exp(grid), value=1 - value, low=1 - low, high=1 - high)


def _share(odds: Floats, floor: Floats | float = 0.0) -> Floats:
    """The share of errors, from log odds above the floor."""
    share: Floats = floor + (1 - floor) / (1 + np.exp(-odds))
    return share
