"""Test that the incremental sum of all trainings' costs equals sums from the start."""

import math

import numpy as np
import pytest

from models_store.privacy import accounting
from models_store.privacy.accounting import LEAST_NOISE, MOST_NOISE, Phase, adaptive, epsilon, epsilons, least_noise
from models_store.privacy.config import noise_for_budget

DELTA = 1e-5


def drawn(trainings: int, seed: int) -> list[list[Phase]]:
    """Return trainings of one to four phases each, some of the same mechanism."""
    rng = np.random.default_rng(seed)
    return [
        [
            Phase(float(rng.choice([0.9, 2.0, 7.5])), float(rng.choice([0.01, 0.2, 1.0])), int(rng.integers(0, 60)))
            for _ in range(rng.integers(1, 5))
        ]
        for _ in range(trainings)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_every_prefix_costs_what_it_costs_by_itself(seed: int) -> None:
    trainings = drawn(12, seed)
    slow = [epsilon([phase for each in trainings[:n] for phase in each], DELTA) for n in range(1, 13)]
    assert epsilons(trainings, DELTA) == slow


def test_none_cost_nothing_and_a_delta_is_checked() -> None:
    assert epsilons([], DELTA) == []
    assert epsilons([[], [Phase(0.0, 0.5, 1)]], DELTA) == [0.0, math.inf]
    with pytest.raises(ValueError, match="delta must lie between"):
        epsilons([], 1.0)


def test_the_noise_that_is_left_is_the_same_as_when_all_is_added_up_each_time() -> None:
    plan, spent = [Phase(1.0, 0.1, 100), Phase(1.0, 1.0, 2)], [phase for each in drawn(3, 9) for phase in each]
    target = epsilon(spent, DELTA) + 1

    def fits(factor: float) -> bool:
        return epsilon([*spent, *(phase.noisier(factor) for phase in plan)], DELTA) <= target

    low, high = LEAST_NOISE, MOST_NOISE
    while high / low > 1.0005:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fits(middle) else (middle, high)
    assert least_noise(plan, target, adaptive(spent, DELTA)) == pytest.approx(high, rel=1e-3)


def test_a_ledger_is_gone_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    trainings = drawn(40, 3)
    phases = [phase for each in trainings for phase in each]
    steps: list[tuple[float, float]] = []
    one_step = accounting._of_one_step
    monkeypatch.setattr(accounting, "_of_one_step", lambda *of: steps.append(of) or one_step(*of))

    epsilons(trainings, DELTA)
    assert len(steps) <= len(phases)
    spent = {(phase.noise_multiplier, phase.sampling_rate) for phase in phases}
    steps.clear()
    noise_for_budget(5000, trainings=3, epsilon=1000.0, delta=DELTA, spent=phases, follow_plan=False)
    assert sum(of in spent for of in steps) <= len(phases)
    steps.clear()
    noise_for_budget(5000, trainings=3, epsilon=1000.0, delta=DELTA, spent=phases, follow_plan=False)
    assert not steps, "the same question again"
