"""Test the cost of planned trainings against a second accountant, exact figures, and by properties of all plans."""

import math
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from models_store.privacy import accounting
from models_store.privacy.accounting import Phase
from models_store.privacy.config import PrivacyConfig, noise_for_budget, trainings_for_budget
from models_store.privacy.planned import epsilon, planned
from tests.extent import examples, some

DELTA = 1e-5
PLANS = st.lists(
    st.builds(Phase, st.floats(1, 50), st.sampled_from([0.01, 0.3, 1.0]), st.integers(1, 300)), min_size=1, max_size=2
)


def by_opacus(phases: list[Phase], delta: float) -> float:
    """Return epsilon by the accountant of Gopi et al. 2021 (2106.02848), whose error is at most 0.01."""
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = [tuple(phase) for phase in phases]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at a sampling rate of 1 it takes the logarithm of 0
        return float(accountant.get_epsilon(delta, eps_error=0.002))


def of_gaussian(noise: float, delta: float) -> float:
    """Return the exact epsilon of a Gaussian mechanism: Balle and Wang 2018, theorem 8."""

    def excess(eps: float) -> float:
        a, b = 0.5 / noise, eps * noise
        return float(norm.cdf(a - b) - math.exp(eps) * norm.cdf(-a - b)) - delta

    return float(brentq(excess, 0, 50))


@pytest.mark.parametrize("target", some([1.0, 8.0, 0.5]))
@pytest.mark.parametrize("labels", some([100_000, 5_000]))
def test_two_accountants_agree_to_a_percent_and_renyi_says_more(target: float, labels: int) -> None:
    phases = PrivacyConfig(noise_multiplier=4 / target, delta=DELTA).phases(labels)
    here = epsilon(phases, DELTA)
    assert here == pytest.approx(by_opacus(phases, DELTA), rel=0.01)
    assert here < 0.97 * accounting.epsilon(phases, DELTA)


@pytest.mark.parametrize(("noise", "steps", "delta"), [(8.0, 2, 1e-5), (1.0, 1, 1e-9), (60.0, 500, 1e-3)])
def test_without_sampling_it_is_the_exact_figure_from_above(noise: float, steps: int, delta: float) -> None:
    exact = of_gaussian(noise / math.sqrt(steps), delta)
    assert exact * (1 - 1e-6) <= epsilon([Phase(noise, 1.0, steps)], delta) <= 1.002 * exact


@pytest.mark.long
@settings(max_examples=examples(10), deadline=None)
@given(PLANS, st.sampled_from([1e-3, 1e-5, 1e-13]))
def test_no_plan_costs_more_than_by_renyi_and_more_steps_cost_more(plan: list[Phase], delta: float) -> None:
    cost = epsilon(plan, delta)
    assert 0 <= cost <= accounting.epsilon(plan, delta)
    assert epsilon([*plan, plan[0]._replace(steps=300)], delta) >= 0.99 * cost


def test_nothing_costs_nothing_and_no_noise_costs_everything() -> None:
    assert epsilon([], DELTA) == epsilon([Phase(1.0, 0.0, 10)], DELTA) == 0
    assert epsilon([Phase(0.0, 0.1, 1)], DELTA) == math.inf


def test_a_plan_needs_less_noise_keeps_it_and_stays_within_its_budget() -> None:
    spent: list[Phase] = []
    noises = []
    for left in (3, 2, 1):
        noise = noise_for_budget(5000, trainings=left, epsilon=2.0, delta=DELTA, spent=spent)
        noises.append(noise)
        spent += PrivacyConfig(noise_multiplier=noise, delta=DELTA).phases(5000)
    assert noises[0] == noises[1] == noises[2]
    assert 1.98 < planned((), DELTA, within=2.0)(spent) <= 2.0
    assert noises[0] < 0.96 * noise_for_budget(5000, trainings=3, epsilon=2.0, delta=DELTA, follow_plan=False)


@pytest.mark.long
def test_more_trainings_fit_a_plan_than_a_series_that_follows_from_its_results() -> None:
    asked = {"noise": 50.0, "epsilon": 2.0, "delta": DELTA, "most": 200}
    trainings = trainings_for_budget(5000, **asked)
    one = PrivacyConfig(noise_multiplier=50.0, delta=DELTA).phases(5000)
    cost = planned((), DELTA, within=2.0)
    assert cost(trainings * one) <= 2.0 < cost((trainings + 1) * one)
    assert trainings > trainings_for_budget(5000, **asked, follow_plan=False)
    assert trainings_for_budget(5000, **{**asked, "most": 3}) == 3
