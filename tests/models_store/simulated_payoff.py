"""Made-up projects whose learning curve is known, measured on control items as the product measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from models_store.payoff import SPREAD, Measured

Curve = Callable[[np.ndarray], np.ndarray]
SAVING = 2.0
FOLDS = 3


def odds(rng: np.random.Generator) -> Curve:
    """What the estimators take for granted, but for the drift."""
    level, slope = rng.uniform(-0.5, 1.5), rng.uniform(0.2, 0.9)
    return lambda n: 1 / (1 + np.exp(slope * np.log(n / 50) - level))


def power(rng: np.random.Generator) -> Curve:
    """a · n^-b, cut where it would begin above all."""
    most, slope = rng.uniform(0.3, 0.6), rng.uniform(0.2, 0.9)
    return lambda n: np.minimum(0.97, most * (n / 50) ** -slope)


def floor(rng: np.random.Generator) -> Curve:
    """a · n^-b + c: wrong labels, say, of 1 to 10 %."""
    fall, least = power(rng), rng.uniform(0.01, 0.1)
    return lambda n: np.minimum(0.97, least + fall(n))


def bend(rng: np.random.Generator) -> Curve:
    """No power law: a slope that becomes half as steep, or half as steep again, between 200 and 5,000 labels."""
    level, slope = rng.uniform(-0.5, 1.5), rng.uniform(0.2, 0.9)
    turn, bent = np.exp(rng.uniform(np.log(200), np.log(5000))), rng.choice([-0.5, 0.5]) * slope
    return lambda n: 1 / (1 + np.exp(slope * np.log(n / 50) - level + bent * np.logaddexp(0, 2 * np.log(n / turn)) / 2))


SHAPES = {"odds": odds, "power": power, "floor": floor, "bend": bend}


@dataclass(frozen=True)
class Simulated:
    """What was measured, and what is true: the uniform labels that the last version is worth, and the next gain."""

    uniform: Measured
    versions: Measured
    spent: int
    needed: float
    gain: float


def simulate(shape: str, rng: np.random.Generator, *, batch: int, batches: int, share: float = 0.1) -> Simulated:
    """Batches of labels of which each that was picked is worth SAVING at random; control items are `share` of them."""
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
    """Of models with so many labels, with the luck of their labels."""
    share = float(curve(np.array(labels)))
    lucky = np.log(share / (1 - share)) + np.sqrt(SPREAD / labels / models) * rng.standard_normal()
    return float(1 / (1 + np.exp(-lucky)))


def _wrong(error: float, hard: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which items are wrong: the hard ones more often, whichever model answers."""
    return norm.ppf(error) > np.sqrt(0.5) * (hard + rng.standard_normal(len(hard)))
