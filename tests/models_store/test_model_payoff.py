"""Test that the payoff's intervals cover the truth as often as stated, and follow from their assumptions."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_payoff import SHAPES, Simulated, simulate

from models_store import payoff
from models_store.payoff import Measured, OpenEstimate, next_gain, uniform_needs

PROJECTS = 15


def needs(project: Simulated, limit: int) -> OpenEstimate:
    return uniform_needs(project.uniform, project.versions.rows([-1]), limit=limit).needed


@pytest.mark.long
@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of 120 projects of four shapes and two sizes, 114 should be covered.

    Smooth curves are covered more often, because the intervals allow for bends; curves with a floor out of sight less
    often.
    """
    held, gains, too_high = dict.fromkeys(SHAPES, 0), 0, 0
    for (shape, (batch, batches)), number in product(product(SHAPES, ((300, 4), (500, 8))), range(PROJECTS)):
        project = simulate(shape, np.random.default_rng([number, batch]), batch=batch, batches=batches)
        limit = 20 * project.spent
        found, gain = needs(project, limit), next_gain(project.versions, round(0.9 * batch)).predicted
        truth = min(project.needed, limit)
        too_high += found.low > truth
        held[shape] += found.low <= truth and (found.high is None or truth <= found.high)
        gains += gain.low <= project.gain <= (gain.high or 0)
    of_each, of_all = 2 * PROJECTS, 2 * PROJECTS * len(SHAPES)
    assert all(found >= 0.85 * of_each for found in held.values()), held
    assert sum(held.values()) >= 0.93 * of_all, held
    assert too_high <= 0.05 * of_all, "what is promised as the least is the least"
    assert 0.92 * of_all <= gains


@pytest.mark.parametrize("seed", [1, 4, 8, 11])
def test_the_posterior_is_that_of_the_stated_model(seed: int) -> None:
    """The reference is a plain simulation of the model: random-walk slopes, weighted by their likelihood."""
    rng = np.random.default_rng(seed)
    items = 60
    wrong = rng.random((4, items)) < np.array([0.55, 0.42, 0.33, 0.28])[:, None]
    labels, limit = np.array([20, 45, 100]), 3000
    uniform, used = Measured.of(labels, wrong[:3]), Measured.of([90], wrong[3:])
    found = uniform_needs(uniform, used, limit=limit).needed
    draws, weights = simulated_posterior(labels, wrong, limit, np.random.default_rng(1))
    order = np.argsort(draws)
    reached = np.cumsum(weights[order]) / weights.sum()
    low, value, high = (np.exp(draws[order][np.searchsorted(reached, share)]) for share in (0.025, 0.5, 0.975))
    assert found.low == pytest.approx(low, rel=0.1)
    assert found.value == pytest.approx(value, rel=0.15)
    assert found.high is None
    assert np.isinf(high)


def simulated_posterior(
    labels: np.ndarray, wrong: np.ndarray, limit: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return log labels needed and their weights, from 30,000 curves drawn from the prior."""
    draws, step = 30_000, 0.05
    n, share = wrong.shape[1], (wrong.sum(axis=1) + 0.5) / (wrong.shape[1] + 1)
    residuals = (wrong - share[:, None]) / n
    covariance = residuals @ residuals.T
    np.fill_diagonal(covariance, np.maximum(np.diag(covariance), share * (1 - share) / (n + 1)))
    grid = np.arange(np.log(labels[0]), np.log(limit) + step, step)
    walk = payoff.DRIFT * np.sqrt(step) * rng.standard_normal((draws, len(grid) - 1))
    slopes = rng.normal(*payoff.SLOPE, (draws, 1)) + np.cumsum(walk, axis=1) - walk / 2
    curves = rng.normal(*payoff.LEVEL, (draws, 1)) + np.pad(np.cumsum(slopes * step, axis=1), ((0, 0), (1, 0)))
    at = np.stack([curves[:, round((np.log(n) - grid[0]) / step)] for n in labels], axis=1)
    floors = share.min() * rng.choice(payoff.FLOORS, draws, p=payoff.FLOOR_WEIGHTS)
    needed, weights = np.empty(draws), np.empty(draws)
    for floor in np.unique(floors):
        mine = floors == floor
        floor_of = np.array([floor, floor, floor, 0.0])
        above = (share - floor_of) / (1 - floor_of)
        steep = 1 / ((1 - floor_of) * above * (1 - above))
        noise = covariance * np.outer(steep, steep)
        measured = np.log(above / (1 - above))
        luck = np.diag(payoff.SPREAD / labels)
        off = measured[:3] - at[mine]
        inverse = np.linalg.inv(noise[:3, :3] + luck)
        weights[mine] = np.sqrt(np.linalg.det(inverse)) * steep[:3].prod()
        weights[mine] *= np.exp(-0.5 * np.einsum("di,ij,dj->d", off, inverse, off))
        # The noise of the model in use, given how far the others turned out to be off.
        with_used = noise[3, :3] @ inverse
        rest = noise[3, 3] - with_used @ noise[:3, 3]
        aim = measured[3] - off @ with_used - np.sqrt(rest) * rng.standard_normal(mine.sum())
        below = floor + (1 - floor) / (1 + np.exp(-curves[mine])) <= 1 / (1 + np.exp(-aim[:, None]))
        needed[mine] = np.where(below.any(axis=1), grid[below.argmax(axis=1)], np.inf)
    return needed, weights


@pytest.mark.long
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(5, 40))
@settings(max_examples=15, deadline=None)
def test_estimates_are_in_order_and_repeatable(seed: int, models: int, items: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(1, 2000, models))
    measured = Measured.of(labels, rng.random((models, items)) < rng.random())
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    found, gain = uniform_needs(measured, measured.rows([-1]), limit=5000), next_gain(measured, 100).predicted
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    for each in (found.needed, gain):
        assert each.low <= (each.value if each.value is not None else np.inf) <= (each.high or np.inf)
    assert labels[0] <= found.needed.low * 1.0001
    assert found.needed.low <= 5000.001
    assert gain.low >= -1
    band = found.curve
    assert (band.low <= band.value).all()
    assert (band.value <= band.high).all()
    assert uniform_needs(measured, measured.rows([-1]), limit=5000).needed == found.needed
    shuffled = rng.permutation(items)
    other = Measured.of(labels, measured.wrong[:, shuffled])
    # Rounding in another order of the items may move a quantile by one of its draws.
    assert next_gain(other, 100).predicted.low == pytest.approx(gain.low, abs=1e-3)


def project(seed: int = 3, **sizes: int) -> Simulated:
    return simulate("odds", np.random.default_rng(seed), **{"batch": 500, "batches": 6, **sizes})


def test_more_control_items_tell_more() -> None:
    def width(batch: int) -> float:
        widths = [next_gain(project(seed, batch=batch).versions, 100).expected for seed in range(5)]
        return float(np.mean([(each.high or 1) - each.low for each in widths]))

    assert width(3000) < 0.6 * width(300)


def test_the_same_hard_items_cancel_out() -> None:
    """Models that are wrong on the same items are compared item by item, which is more exact than on separate items."""
    rng = np.random.default_rng(0)
    hard = rng.random(400) < 0.2
    same = Measured.of([100, 200, 400], np.stack([hard, hard, hard]))
    apart = Measured.of([100, 200, 400], np.stack([rng.permutation(hard) for _ in range(3)]))
    alike, different = next_gain(same, 200).expected, next_gain(apart, 200).expected
    assert (alike.high or 1) - alike.low < (different.high or 1) - different.low


def test_what_uniform_labels_may_never_reach_has_no_upper_end() -> None:
    rng = np.random.default_rng(0)
    uniform = Measured.of([50, 100, 200], rng.random((3, 300)) < 0.3)
    perfect = Measured.of([150], np.zeros((1, 300), bool))
    found = uniform_needs(uniform, perfect, limit=10_000).needed
    assert found.value is None
    assert found.high is None
    assert found.low > 200


def test_items_that_a_model_has_not_seen_do_not_count() -> None:
    rng = np.random.default_rng(0)
    wrong, seen = rng.random((2, 100)) < 0.3, np.ones((2, 100), bool)
    seen[1, 60:] = False
    other = wrong.copy()
    other[1, 60:] ^= True
    assert next_gain(Measured.of([50, 100], wrong, seen), 50) == next_gain(Measured.of([50, 100], other, seen), 50)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Measured.of([], np.empty((0, 5), bool)),
        lambda: Measured.of([0], [[True]]),
        lambda: Measured.of([5], [[True]], [[False]]),
        lambda: Measured.of([5, 6], [[True]]),
        lambda: Measured.of([5], [True]),
    ],
)
def test_what_cannot_be_told_from_is_refused(make: Callable[[], Measured]) -> None:
    with pytest.raises(ValueError, match=r"belong together|at least"):
        make()
