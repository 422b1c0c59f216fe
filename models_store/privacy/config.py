"""The settings of a private training. This module does not import torch."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from models_store.privacy.accounting import Cost, Phase, adaptive, least_noise
from models_store.privacy.planned import planned

SCALING_STEPS = 2
"""The number of noisy sums over all records that `scaling` takes before the first step."""

SCALING_NOISE = 4.0
"""The noise of these sums, in units of a given noise multiplier. `scaling` states their sensitivity."""


@dataclass(frozen=True)
class PrivacyConfig:
    """The settings of a private training; either `epsilon` or `noise_multiplier` sets its privacy.

    No setting may be chosen by looking at the labels: that would cost uncounted privacy. The defaults suit hundreds to
    millions of labels: sampling rates follow from the number of labels, which counts as public, and the step size from
    the noise. Raises ValueError for a value out of range.
    """

    delta: float
    """The probability that the guarantee fails; well below 1 / number of labels."""
    epsilon: float | None = None
    """The epsilon of the training, as the only one."""
    noise_multiplier: float | None = None
    """The standard deviation of the noise on each sum of gradients, in clipping norms."""
    steps: int = 180
    growth: tuple[float, ...] = (0.25, 0.5, 1.0)
    """Batch sizes of stages with equally many steps, as shares of the largest: gradients agree at first, and need more
    averaging later."""
    largest_batch: int = 12_000
    """Expected records in a step of the last stage, limited by `largest_rate`."""
    largest_rate: float = 0.4
    clipping_norm: float = 0.1
    """Gradients are clipped to this norm. It is so small that nearly all are clipped, and its exact value does not
    matter."""
    step_size: float = 0.02
    """The distance that the noise of a step moves a unit's output, for inputs of size one."""
    momentum: float = 0.9
    weight_decay: float = 0.0
    """The share of the weights that each step removes."""
    averaging: float = 0.95
    """The decay of the running average of the weights, which the model takes. Averaging costs no privacy."""
    scaling_share: float = 0.15
    """The share of epsilon at which the scale of the features is learned. It adds about its square to the whole."""
    chunk: int = 1024
    """Records in memory at once: a step adds up the gradients of several chunks."""

    def __post_init__(self) -> None:
        check_number("delta", self.delta, 1e-15, 0.1)
        object.__setattr__(self, "growth", tuple(self.growth))  # JSON has no tuples
        if not self.growth or not all(0 < share <= 1 for share in self.growth):
            raise ValueError(f"privacy: growth must be shares of the largest batch (0.25, 0.5, 1), not {self.growth}")
        if (self.epsilon is None) == (self.noise_multiplier is None):
            raise ValueError("privacy: give either epsilon or noise_multiplier")
        if self.epsilon is not None:
            check_number("epsilon", self.epsilon, 0.01, 1000)
        if self.noise_multiplier is not None:
            check_number("noise_multiplier", self.noise_multiplier, 0.3, 10_000)
        for name, low, high in (
            ("steps", len(self.growth), 1_000_000),
            ("largest_batch", 1, 10_000_000),
            ("largest_rate", 1e-6, 1),
            ("clipping_norm", 1e-6, 1e6),
            ("step_size", 1e-6, 100),
            ("momentum", 0, 0.999),
            ("weight_decay", 0, 0.5),
            ("averaging", 0, 0.9999),
            ("scaling_share", 0.01, 0.9),
            ("chunk", 1, 1_000_000),
        ):
            check_number(name, getattr(self, name), low, high)

    def plan(self, n: int) -> list[tuple[float, int]]:
        """Return (sampling rate, steps) of each stage for n >= 1 records; the last stage takes the remaining steps."""
        return stages(self.steps, self.growth, min(self.largest_rate, self.largest_batch / n))

    def phases(self, n: int) -> list[Phase]:
        """Return the phases of a training on n >= 1 records, for the accountant: the noisy sums of `scaling`, then each
        stage.

        They depend on the settings and n alone, so the ledger can record them before the training starts. Raises
        ValueError if no noise is enough.
        """
        first = Phase(self._scaling_noise(), 1.0, SCALING_STEPS)
        noise = self.noise_multiplier
        if noise is None:
            assert self.epsilon is not None
            plan = [Phase(1.0, rate, steps) for rate, steps in self.plan(n)]
            noise = least_noise(plan, self.epsilon, planned([first], self.delta, within=self.epsilon))
        return [first, *(Phase(noise, rate, steps) for rate, steps in self.plan(n))]

    def _scaling_noise(self) -> float:
        if self.epsilon is None:
            assert self.noise_multiplier is not None
            return SCALING_NOISE * self.noise_multiplier
        share = self.scaling_share * self.epsilon
        return least_noise([Phase(1.0, 1.0, SCALING_STEPS)], share, planned((), self.delta, within=share))


def stages(steps: int, growth: Sequence[float], largest_rate: float) -> list[tuple[float, int]]:
    """Return (sampling rate, steps) of stages with equally many steps, whose rates are shares of the largest one; the
    last stage takes the remaining steps.
    """
    each = steps // len(growth)
    counts = [*[each] * (len(growth) - 1), steps - each * (len(growth) - 1)]
    return [(share * largest_rate, count) for share, count in zip(growth, counts, strict=True)]


def noise_for_budget(
    n: int, *, trainings: int, epsilon: float, delta: float, spent: Iterable[Phase] = (), follow_plan: bool = True
) -> float:
    """Return the noise multiplier with which more trainings stay within a budget.

    Parameters
    ----------
    n : int
        Records of each training.
    trainings : int
        At least 1.
    epsilon, delta : float
        The budget.
    spent : iterable of Phase
        Earlier phases, which count against the budget.
    follow_plan : bool
        Whether all phases, the earlier ones too, follow from a plan that was fixed before the first one. False if one
        was chosen by what an earlier one showed: then only Rényi accounting holds.

    Raises
    ------
    ValueError
        If no noise is enough.
    """
    return _noise_for_budget(_one(n, 1.0, delta), trainings, epsilon, delta, tuple(spent), follow_plan)


@lru_cache(maxsize=256)
def _noise_for_budget(
    one: tuple[Phase, ...], trainings: int, epsilon: float, delta: float, spent: tuple[Phase, ...], follow_plan: bool
) -> float:
    plan = _repeated(one, trainings)
    cost = _cost(epsilon, delta, spent, follow_plan)
    if spent and follow_plan:
        # The noise of the last training, if it is still right: few kinds of steps compose fast.
        last = spent[-1].noise_multiplier

        def fits(factor: float) -> bool:
            return cost(phase.noisier(factor) for phase in plan) <= epsilon

        if fits(last) and not fits(last / 1.01):
            return last
    return least_noise(plan, epsilon, cost)


def trainings_for_budget(
    n: int,
    *,
    noise: float,
    epsilon: float,
    delta: float,
    most: int,
    spent: Iterable[Phase] = (),
    follow_plan: bool = True,
) -> int:
    """Return how many more trainings with this noise multiplier stay within a budget, at most `most`; the other
    parameters are those of `noise_for_budget`.
    """
    return _trainings_for_budget(_one(n, noise, delta), epsilon, delta, most, tuple(spent), follow_plan)


@lru_cache(maxsize=256)
def _trainings_for_budget(
    one: tuple[Phase, ...], epsilon: float, delta: float, most: int, spent: tuple[Phase, ...], follow_plan: bool
) -> int:
    cost = _cost(epsilon, delta, spent, follow_plan)
    # `bisect_left` returns the index of the first number that does not fit: the largest number that fits.
    return bisect_left(range(1, most + 1), True, key=lambda trainings: cost(_repeated(one, trainings)) > epsilon)


def _one(n: int, noise: float, delta: float) -> tuple[Phase, ...]:
    return tuple(PrivacyConfig(noise_multiplier=noise, delta=delta).phases(n))


def _repeated(phases: Iterable[Phase], times: int) -> list[Phase]:
    return [phase._replace(steps=phase.steps * times) for phase in phases]


def _cost(epsilon: float, delta: float, spent: tuple[Phase, ...], follow_plan: bool) -> Cost:
    return planned(spent, delta, within=epsilon) if follow_plan else adaptive(spent, delta)


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """Raise ValueError if the setting is not a number from `low` to `high`."""
    right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not (right and low <= value <= high):
        raise ValueError(f"privacy: {name} must be a number from {low:g} to {high:,g}, not {value!r}")
