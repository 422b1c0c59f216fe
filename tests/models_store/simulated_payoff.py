"""Simulated projects with a known learning curve, measured on control items as in the product."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from models_store.payoff import SPREAD, Measured

Curve = Callable[[np.ndarray], np.ndarray]
SAVING = 2.0
FOLDS = 3


def odds(rng: np.random.Generator) -> Curve:
    """Return a curve as the estimators assume, without drift."""
    level, slope = rng.uniform(-0.5, 1.5), rng.uniform(0.2, 0.9)
    return lambda n: 1 / (1 + np.exp(slope * np.log(n / 50) - level))


def power(rng: np.random.Generator) -> Curve:
    """Return the curve a · n^-b, cut off at 1."""
    most, slope = rng.uniform(0.3, 0.6), rng.uniform(0.2, 0.9)
    return lambda n: np.minimum(0.97, most * (n / 50) ** -slope)


def floor(rng: np.random.Generator) -> Curve:
    """Return the curve a · n^-b + c, with a floor of 1 to 10 %, as from wrong labels."""
    fall, least = power(rng), rng.uniform(0.01, 0.1)
    return lambda n: np.minimum(0.97, least + fall(n))


def bend(rng: np.random.Generator) -> Curve:
    """Return a curve whose slope halves, or grows by half, between 200 and 5,000 labels, so that it is no power law."""
    level, slope = rng.uniform(-0.5, 1.5), rng.uniform(0.2, 0.9)
    turn, bent = np.exp(rng.uniform(np.log(200), np.log(5000))), rng.choice([-0.5, 0.5]) * slope
    return lambda n: 1 / (1 + np.exp(slope * np.log(n / 50) - level + bent * np.logaddexp(0, 2 * np.log(n / turn)) / 2))


SHAPES = {"odds": odds, "power": power, "floor": floor, "bend": bend}


@dataclass(frozen=True)
class Simulated:
    """The measurements, and the truth: the uniform labels that the last version is worth, and the next gain."""

    uniform: Measured
    versions: Measured
    spent: int
    needed: float
    gain: float


def simulate(shape: str, rng: np.random.Generator, *, batch: int, batches: int, share: float = 0.1) -> Simulated:
    """Simulate batches in which a picked label is worth SAVING random ones; `share` of the items are control items."""
    curve = SHAPES[shape](rng)
    picked, control = round((1 - share) * batch), round(share * batch) * batches
    hard = rng.standard_normal(picked + control)
    seen = np.arange(picked + control) < control
    labels = picked * np.arange(1, batches + 1)
    worth = picked + (labels - picked) * SAVING
    errors = [_error(curve, n, 1, rng) for n in worth]
    versions = np.array([_wrong(error, hard, rng) for error in errors])
    sizes = (picked + control) * (FOLDS - 1) // FOLDS // np.array([1, 2, 4, 8])
    thrown_away = np.array([_wrong(_error(curve, n, FOLDS, rng), hard, rng) for n in sizes])
    grid = np.geomspace(5, 1e8, 5000)
    reached = curve(grid) <= errors[-1]
    everything = np.ones(len(hard), bool)
    return Simulated(
        uniform=Measured.of(
            [*sizes, picked], [*thrown_away, versions[0]], [*[everything] * 4, seen], [*[FOLDS] * 4, 1]
        ),
        versions=Measured.of(labels, versions, [seen] * batches),
        spent=int(labels[-1]) + control,
        needed=float(grid[reached.argmax()]) if reached.any() else np.inf,
        gain=errors[-1] - _error(curve, worth[-1] + picked * SAVING, 1, rng),
    )


def _error(curve: Curve, labels: float, models: int, rng: np.random.Generator) -> float:
    """Return the mean error of models with so many labels, with the luck of their labels."""
    share = float(curve(np.array(labels)))
    lucky = np.log(share / (1 - share)) + np.sqrt(SPREAD / labels / models) * rng.standard_normal()
    return float(1 / (1 + np.exp(-lucky)))


def _wrong(error: float, hard: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the wrongly predicted items: hard items more often, for all models."""
    return norm.ppf(error) > np.sqrt(0.5) * (hard + rng.standard_normal(len(hard)))
