"""The settings of a private training. Light to import, no torch."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from models_store.privacy.accounting import Phase, least_noise

SCALING_STEPS = 2
"""Noisy sums over all records that `scaling` takes before the first step."""

SCALING_NOISE = 4.0
"""The noise on those, in noise multipliers, where that is what is given. For what a record adds to both, see there."""


@dataclass(frozen=True)
class PrivacyConfig:
    """How a private training goes; either `epsilon` or `noise_multiplier` says how private it is.

    None of this may be chosen by looking at the labels, which would cost privacy that nobody counted. The defaults suit
    hundreds to millions of labels: sampling rates follow from their number, which is taken to be public, and the step
    size from the noise. Raises ValueError for a value that is out of range.
    """

    delta: float
    """The chance that the guarantee fails; well below one in the number of labels."""
    epsilon: float | None = None
    """What the training may cost, if it were the only one."""
    noise_multiplier: float | None = None
    """Deviation of the noise on each sum of gradients, in clipping norms."""
    steps: int = 180
    growth: tuple[float, ...] = (0.25, 0.5, 1.0)
    """The batch grows in stages of as many steps each, by these shares of the largest: little noise is needed where
    gradients still agree, much averaging where they no longer do."""
    largest_batch: int = 12_000
    """Expected records in a step of the last stage, unless `largest_rate` is reached before."""
    largest_rate: float = 0.4
    clipping_norm: float = 0.1
    """Gradients are shortened to this norm: so small that nearly all are, and nothing depends on its exact value."""
    step_size: float = 0.02
    """How far the noise moves the input of a unit in a step, were its inputs all of size one."""
    momentum: float = 0.9
    weight_decay: float = 0.0
    """Part of the weights that is taken away in each step."""
    averaging: float = 0.95
    """The model is the running average of the weights: averaging what is private costs nothing."""
    scaling_share: float = 0.15
    """Part of epsilon at which the scale of the features alone is learned. It adds about its square to the whole."""
    chunk: int = 1024
    """Records that are in memory at once: a step adds up as many as it takes (virtual steps)."""

    def __post_init__(self) -> None:
        _check("delta", self.delta, 1e-15, 0.1)
        object.__setattr__(self, "growth", tuple(self.growth))  # JSON has no tuples
        if not self.growth or not all(0 < share <= 1 for share in self.growth):
            raise ValueError(f"privacy: growth must be shares of the largest batch (0.25, 0.5, 1), not {self.growth}")
        if (self.epsilon is None) == (self.noise_multiplier is None):
            raise ValueError("privacy: give either epsilon or noise_multiplier")
        if self.epsilon is not None:
            _check("epsilon", self.epsilon, 0.01, 1000)
        if self.noise_multiplier is not None:
            _check("noise_multiplier", self.noise_multiplier, 0.3, 10_000)
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
            _check(name, getattr(self, name), low, high)

    def plan(self, n: int) -> list[tuple[float, int]]:
        """(sampling rate, steps) of each stage for n >= 1 records; the last one takes the remainder of the steps."""
        largest = min(self.largest_rate, self.largest_batch / n)
        each, stages = self.steps // len(self.growth), len(self.growth)
        counts = [*[each] * (stages - 1), self.steps - each * (stages - 1)]
        return [(share * largest, steps) for share, steps in zip(self.growth, counts, strict=True)]

    def phases(self, n: int) -> list[Phase]:
        """What a training on n >= 1 records does, for the accountant: the noisy sums of `scaling`, then each stage.

        Depends on the settings and on n alone: it can be written down before the training starts. Raises ValueError if
        no noise is enough.
        """
        first = Phase(self._scaling_noise(), 1.0, SCALING_STEPS)
        noise = self.noise_multiplier
        if noise is None:
            assert self.epsilon is not None
            plan = [Phase(1.0, rate, steps) for rate, steps in self.plan(n)]
            noise = least_noise(plan, self.epsilon, self.delta, spent=[first])
        return [first, *(Phase(noise, rate, steps) for rate, steps in self.plan(n))]

    def _scaling_noise(self) -> float:
        if self.epsilon is None:
            assert self.noise_multiplier is not None
            return SCALING_NOISE * self.noise_multiplier
        return least_noise([Phase(1.0, 1.0, SCALING_STEPS)], self.scaling_share * self.epsilon, self.delta)


def noise_for_budget(n: int, *, trainings: int, epsilon: float, delta: float, spent: Iterable[Phase] = ()) -> float:
    """The noise multiplier with which `trainings` >= 1 more on n records each stay within epsilon, all that was `spent`
    included. Raises ValueError if no noise is enough.
    """
    return _noise_for_budget(n, trainings, epsilon, delta, tuple(spent))


@lru_cache(maxsize=256)
def _noise_for_budget(n: int, trainings: int, epsilon: float, delta: float, spent: tuple[Phase, ...]) -> float:
    one = PrivacyConfig(noise_multiplier=1.0, delta=delta).phases(n)
    return least_noise([phase._replace(steps=phase.steps * trainings) for phase in one], epsilon, delta, spent=spent)


def usual_delta(n: int) -> float:
    """n^−1.1: below one in the number of records, the usual choice (Anil et al. 2021)."""
    return float(max(n, 2) ** -1.1)


def _check(name: str, value: Any, low: float, high: float) -> None:
    right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not (right and low <= value <= high):
        raise ValueError(f"privacy: {name} must be a number from {low:g} to {high:,g}, not {value!r}")
