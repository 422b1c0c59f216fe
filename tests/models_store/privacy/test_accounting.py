"""Test the accounting of privacy against slow sums, against Opacus, and by properties of all plans."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_store.privacy import accounting
from models_store.privacy.accounting import ORDERS, Phase, adaptive, epsilon, least_noise, renyi
from tests.extent import examples

PLANS = st.lists(
    st.builds(Phase, st.floats(0.4, 50), st.sampled_from([0.001, 0.05, 0.3, 1.0]), st.integers(1, 500)),
    min_size=1,
    max_size=3,
)


def binomial_divergence(noise: float, rate: float, order: int) -> float:
    """Compute the closed form for integer orders (Mironov et al. 2019, section 3.3), term by term."""
    terms = (
        math.comb(order, k) * (1 - rate) ** (order - k) * rate**k * math.exp((k * k - k) / (2 * noise**2))
        for k in range(order + 1)
    )
    return math.log(math.fsum(terms)) / (order - 1)


@pytest.mark.parametrize("noise", [0.5, 1.0, 4.0, 30.0])
@pytest.mark.parametrize("rate", [0.001, 0.05, 0.5])
def test_the_divergence_is_that_of_the_closed_form_and_of_opacus(noise, rate):
    from opacus.accountants.analysis.rdp import compute_rdp

    whole = [int(order) for order in ORDERS if order == int(order) and 12 <= order <= 16]
    here = dict(zip(ORDERS, renyi([Phase(noise, rate, 1)]), strict=True))
    for order in whole:
        assert here[order] == pytest.approx(binomial_divergence(noise, rate, order), rel=1e-6, abs=1e-12)
    theirs = compute_rdp(q=rate, noise_multiplier=noise, steps=1, orders=list(ORDERS[::10]))
    fine = np.isfinite(theirs)
    np.testing.assert_allclose(renyi([Phase(noise, rate, 1)])[::10][fine], theirs[fine], rtol=1e-4, atol=1e-12)


def test_without_sampling_it_is_the_gaussian_mechanism():
    np.testing.assert_allclose(renyi([Phase(3.0, 1.0, 5)]), 5 * ORDERS / (2 * 3.0**2))


def test_figures_of_another_library():
    # RdpAccountant of dp-accounting 0.6; its tighter PLDAccountant finds 4.428 and 0.634: test_planned_accounting.py.
    assert epsilon([Phase(3.0, 0.05, 100), Phase(3.0, 0.2, 200)], 1e-5) == pytest.approx(4.8124, rel=1e-3)
    assert epsilon([Phase(8.0, 1.0, 2)], 1e-5) == pytest.approx(0.69483, rel=1e-3)


@settings(max_examples=examples(30))
@given(PLANS, st.sampled_from([1e-3, 1e-5, 1e-8]))
def test_more_steps_cost_more_and_more_noise_costs_less(plan, delta):
    cost = epsilon(plan, delta)
    assert epsilon([*plan, plan[0]], delta) >= cost
    assert epsilon([phase._replace(noise_multiplier=2 * phase.noise_multiplier) for phase in plan], delta) <= cost
    assert epsilon([phase._replace(sampling_rate=1.0) for phase in plan], delta) >= cost - 1e-9
    assert epsilon(plan, delta / 10) >= cost


@settings(deadline=None)
@given(PLANS, PLANS)
def test_phases_add_up_in_whatever_order(one, other):
    np.testing.assert_allclose(renyi([*one, *other]), renyi(other) + renyi(one), rtol=1e-12)
    assert epsilon([*one, *other], 1e-5) <= epsilon(one, 5e-6) + epsilon(other, 5e-6) + 1e-9


@settings(max_examples=15)
@given(st.floats(0.2, 20), st.sampled_from([0.001, 0.1, 0.9]), st.integers(1, 1000))
def test_the_least_noise_keeps_the_budget_and_uses_it(target, rate, steps):
    noise = least_noise([Phase(1.0, rate, steps)], target, adaptive((), 1e-6))
    assert epsilon([Phase(noise, rate, steps)], 1e-6) <= target
    if noise > accounting.LEAST_NOISE:
        assert epsilon([Phase(noise * 0.995, rate, steps)], 1e-6) > target


def test_what_was_spent_before_leaves_less():
    before = [Phase(2.0, 0.1, 100)]
    spent = epsilon(before, 1e-5)
    noise = least_noise([Phase(1.0, 0.1, 100)], spent + 1, adaptive(before, 1e-5))
    assert epsilon([*before, Phase(noise, 0.1, 100)], 1e-5) <= spent + 1
    with pytest.raises(ValueError, match="no noise keeps"):
        least_noise([Phase(1.0, 0.1, 100)], spent * 0.9, adaptive(before, 1e-5))


def test_nothing_costs_nothing_and_no_noise_costs_everything():
    assert epsilon([], 1e-5) == 0
    assert epsilon([Phase(1.0, 0.0, 10), Phase(1.0, 0.5, 0)], 1e-5) == 0
    assert epsilon([Phase(0.0, 0.1, 1)], 1e-5) == math.inf


@given(st.floats(0, 700), st.floats(0, 1))
def test_the_best_guess_is_that_of_randomised_answers(eps, delta):
    """With a probability of δ the coin is told; else it is turned over with a probability of 1 / (1 + e^ε)."""
    told = delta + (1 - delta) * (1 - 1 / (1 + math.exp(eps)))
    assert accounting.best_guess(eps, delta) == pytest.approx(told)


@pytest.mark.parametrize("phase", [Phase(-1, 0.1, 1), Phase(1, 1.1, 1), Phase(1, 0.1, -1), Phase(math.nan, 0.1, 1)])
def test_what_is_no_mechanism_is_refused(phase):
    with pytest.raises(ValueError, match="no mechanism"):
        epsilon([phase], 1e-5)
    with pytest.raises(ValueError, match="delta"):
        epsilon([], 0)
