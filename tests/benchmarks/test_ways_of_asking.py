"""Test how simulated people are asked: the way that is chosen."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.finishing.asking import Errors, Pace, Way, choose, expected

PACE = Pace(alone=2.1, accept=1.8, refuse=0.5, cell=0.43, mark=1.5)
ERRORS = Errors(alone=0.03, follows=0.17, missed=0.2, slips=0.03)


def test_no_way_costs_less_than_the_chosen_one():
    probabilities = np.linspace(0, 1, 50)
    for price in (0.0, 5.0, 50.0):
        seconds, shares = expected(probabilities, PACE, ERRORS)
        costs = seconds + price * shares
        chosen = choose(probabilities, PACE, ERRORS, price=price)
        assert np.allclose(costs[chosen, np.arange(50)], costs.min(axis=0))


def test_expected_seconds_and_errors_are_those_of_simulated_people():
    rng = np.random.default_rng(0)
    n, p = 200_000, 0.8
    right = rng.random(n) < p
    marked = np.where(right, rng.random(n) < ERRORS.slips, rng.random(n) >= ERRORS.missed)
    wrong = np.where(marked, rng.random(n) < ERRORS.alone, ~right)
    seconds, shares = expected(np.array([p]), PACE, ERRORS)
    assert seconds[Way.GRID, 0] == pytest.approx(PACE.cell + marked.mean() * (PACE.mark + PACE.alone), rel=0.01)
    assert shares[Way.GRID, 0] == pytest.approx(wrong.mean(), rel=0.03)


def test_further_answers_after_a_disagreement_cost_most_where_the_model_is_often_wrong():
    probabilities = np.array([0.3, 0.99])
    more = expected(probabilities, replace(PACE, again=2.0), ERRORS)[0] - expected(probabilities, PACE, ERRORS)[0]
    assert (more[:, 0] > 1).all()
    assert (more[:, 1] < 0.2).all()
