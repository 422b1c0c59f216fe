"""The privacy cost of trainings together: Rényi accounting of subsampled Gaussian mechanisms.

Neighbours are two sets of records of which one has one more record (add or remove). Mechanisms compose by adding their
Rényi divergences, in any order, also if each was chosen by the results of earlier ones. So one sum covers a training of
many phases and a project of many trainings. Noise and sampling may depend on earlier results, as the number of labels
does, if the sum stays within a budget that was fixed beforehand (Lécuyer 2021, 2103.01379). What was fixed
beforehand costs some 8 to 13 % less (`planned`).
"""

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

ORDERS = np.concatenate([1 + np.geomspace(0.05, 10, 90), np.arange(12, 64, 2), np.geomspace(64, 1024, 20).round()])
"""Orders of the divergence; the best one gives epsilon."""
LEAST_NOISE, MOST_NOISE = 0.2, 1e5
_STEP, _TAIL = 0.1, 12.0


class Phase(NamedTuple):
    """Steps of one mechanism.

    Each step takes each record with probability `sampling_rate`, independently (Poisson), and adds Gaussian noise of
    `noise_multiplier` times the sensitivity of the sum.
    """

    noise_multiplier: Annotated[float, (0, None)]
    sampling_rate: Annotated[float, (0, 1)]
    steps: int

    def noisier(self, factor: float) -> "Phase":
        return self._replace(noise_multiplier=self.noise_multiplier * factor)


Cost = Callable[[Iterable[Phase]], float]
"""Takes phases and returns an upper bound of their epsilon, composed with earlier ones."""


def renyi(phases: Iterable[Phase], *, before: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return the Rényi divergence of all phases together: Mironov, Talwar and Zhang 2019 (1908.10530), section 3.3.

    Parameters
    ----------
    phases : iterable of Phase
    before : ndarray of shape (len(ORDERS),), optional
        The divergence of earlier phases.

    Returns
    -------
    ndarray of shape (len(ORDERS),), float64
        0 without phases, infinite without noise.

    Raises
    ------
    ValueError
        If noise or steps are negative, or a rate is not in [0, 1].
    """
    total = np.zeros(len(ORDERS)) if before is None else before.copy()
    for noise, rate, steps in phases:
        if not (noise >= 0 and 0 <= rate <= 1 and steps >= 0):
            raise ValueError(f"no mechanism: noise {noise}, sampling rate {rate}, {steps} steps")
        if steps and rate:
            total += steps * _of_one_step(float(noise), float(rate))
    return total


def epsilon(phases: Iterable[Phase], delta: float, *, before: NDArray[np.float64] | None = None) -> float:
    """Return an upper bound of epsilon for all phases together: Balle et al. 2020, theorem 21.

    Parameters
    ----------
    phases, before
        As for `renyi`.
    delta : float
        In (0, 1).

    Returns
    -------
    float
        0 without phases, infinite without noise.

    Raises
    ------
    ValueError
        If `delta` is not in (0, 1), or as `renyi`.

    Examples
    --------
    >>> round(epsilon([Phase(1.0, 0.01, 1000)], 1e-5), 2)
    2.11
    """
    _check_delta(delta)
    return _epsilon(renyi(phases, before=before), delta)


def epsilons(trainings: Iterable[Iterable[Phase]], delta: float) -> list[float]:
    """Return the `epsilon` of the first training, of the first two together, …, and of all, in one pass over the
    phases.
    """
    _check_delta(delta)
    costs, total = [], None
    for phases in trainings:
        total = renyi(phases, before=total)
        costs.append(_epsilon(total, delta))
    return costs


def _epsilon(divergence: NDArray[np.float64], delta: float) -> float:
    if not divergence.any():
        return 0.0
    bounds = divergence + np.log1p(-1 / ORDERS) - np.log(delta * ORDERS) / (ORDERS - 1)
    return max(0.0, float(bounds.min()))


def _check_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise ValueError(f"delta must lie between 0 and 1, not {delta}")


def best_guess(epsilon: float, delta: float) -> float:
    """Return the largest probability of guessing rightly whether a record was among the others, if a fair coin decided:
    Humphries et al. 2023 (2010.12112). 1/2 at ε = δ = 0.
    """
    told = math.exp(-epsilon)
    return min(1.0, (1 + delta * told) / (1 + told))


def adaptive(spent: Iterable[Phase], delta: float) -> Cost:
    """Return the cost of phases after earlier ones, whatever each was chosen by: their `epsilon` together."""
    before = renyi(spent)
    return lambda phases: epsilon(phases, delta, before=before)


def least_noise(plan: Iterable[Phase], target: float, cost: Cost) -> float:
    """Return the least factor of a plan's noise that keeps its cost within a target, to 0.1 %, rounded up.

    Parameters
    ----------
    plan : iterable of Phase
    target : float
        The budget's epsilon.
    cost : callable
        As of `adaptive` or `planned.planned`.

    Raises
    ------
    ValueError
        If no noise is enough.
    """
    plan = list(plan)

    def cost_of(factor: float) -> float:
        return cost(phase.noisier(factor) for phase in plan)

    def excess(log_factor: float) -> float:
        return math.log(max(cost_of(math.exp(log_factor)), 1e-9) / target)

    if cost_of(MOST_NOISE) > target:
        raise ValueError(f"no noise keeps this training within epsilon {target:g}")
    if cost_of(LEAST_NOISE) <= target:
        return LEAST_NOISE
    noise = math.exp(float(brentq(excess, math.log(LEAST_NOISE), math.log(MOST_NOISE), xtol=2e-4, rtol=1e-9)))
    while cost_of(noise) > target:
        noise *= 1.0002
    return noise


# The page of a ledger computes a thousand trainings of a few phases each.
@lru_cache(maxsize=8192)
def _of_one_step(noise: float, rate: float) -> NDArray[np.float64]:
    """Return the divergence of one step at each of ORDERS."""
    if noise == 0:
        return np.full(len(ORDERS), np.inf)
    if rate == 1:
        return np.asarray(ORDERS / (2 * noise**2))
    return np.array([_log_moment(noise, rate, order) / (order - 1) for order in ORDERS])


def _log_moment(noise: float, rate: float, order: float) -> float:
    """Compute log E[((1 − q) + q exp((2x − 1) / 2σ²))^α] over x ~ N(0, σ²): section 3.3 of the paper, for any order.

    The trapezoidal rule converges faster than any power for so smooth an integrand: with this step and these tails,
    only the error of the arithmetic is left."""
    step = _STEP * noise
    x = np.arange(-_TAIL * noise, order + _TAIL * noise + step, step)
    log_ratio = np.logaddexp(math.log1p(-rate), math.log(rate) + (2 * x - 1) / (2 * noise**2))
    logs = order * log_ratio - x**2 / (2 * noise**2)
    top = logs.max()
    total = math.log(float(np.exp(logs - top).sum()) * step / (noise * math.sqrt(2 * math.pi)))
    return max(0.0, float(top + total))
