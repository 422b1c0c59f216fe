"""Test when audits begin and end, against simulated projects whose best moment is known."""

import numpy as np
import pytest
from audits import pool
from extent import ALL, some

from labeling.finishing.certifying.forecast import alone, cheapest
from labeling.finishing.certifying.plan import Plan, Target, stratify
from labeling.finishing.certifying.proof import prove
from labeling.finishing.certifying.schedule import Outlook, advise, begins, draws, outlook

AUDITS = 30 if ALL else 8


def plan_of(errors: np.ndarray, error: float, n_pool: int) -> Plan:
    _, sizes, expected = stratify(1 - errors, n_strata=20)
    return Plan(sizes, expected, Target(0.005, (error - 0.005) * n_pool), 0.03)


def project(n: int, batch: int, error: float, noise: float) -> tuple[list[Outlook], list[float]]:
    """Return what a manager sees after each batch, and the true totals of a project whose model learns with each.

    People label the most doubtful items. Each version's calibration is wrong by a factor of its own.
    """
    rng = np.random.default_rng(n)
    seen, totals = [], []
    for labeled in range(batch, n // 2, batch):
        errors = pool(np.random.default_rng(n), n, 1 - 0.02 - labeled**-0.5)[: n - labeled]
        factors = np.exp(noise * rng.normal()), 1.0
        looks = [
            outlook(
                [plan_of(np.minimum(factor * errors, 1), error, n)], n_left=n - labeled, spent=labeled, batch_size=batch
            )
            for factor in factors
        ]
        seen.append(looks[0])
        totals.append(looks[1].spent + looks[1].left)
    return seen, totals


@pytest.mark.long
@pytest.mark.parametrize(
    ("n", "batch", "error"), some([(1800, 60, 0.02), (1800, 60, 0.05), (6000, 300, 0.02), (20_000, 500, 0.02)])
)
def test_an_audit_begins_when_no_other_moment_would_have_saved_much(n, batch, error):
    seen, totals = project(n, batch, error, noise=0.2)
    begun = next(number for number in range(1, len(seen) + 1) if begins(seen[:number]))
    assert totals[begun - 1] <= 1.1 * min(totals)
    assert min(totals) < 0.9 * totals[0]


def test_learning_goes_on_while_no_audit_pays_or_people_label_the_rest_anyway():
    nothing = Outlook(spent=100, audit=0, rest=900, certified=0, batch=10, later=900)
    assert not begins([])
    assert not begins([nothing] * 5)
    free = [
        Outlook(spent=100 * n, audit=200, rest=900 - 100 * n, certified=500, batch=100, later=1100 - 100 * n)
        for n in (1, 2)
    ]
    assert not begins(free)


def test_an_audit_begins_if_it_takes_less_than_a_batch_or_a_batch_teaches_too_little():
    short = Outlook(spent=100, audit=80, rest=10, certified=500, batch=100, later=150)
    assert begins([short])
    before, after = (
        Outlook(spent=spent, audit=300, rest=0, certified=500, batch=100, later=380) for spent in (100, 200)
    )
    assert not begins([before]), "one version does not tell what a batch teaches"
    assert begins([before, after])
    level = [Outlook(spent=100 * n, audit=300, rest=60, certified=500, batch=100, later=360) for n in (1, 2)]
    assert begins(level), "batches teach nothing, and another one would take all of the rest"
    few = Outlook(spent=100, audit=0, rest=0, certified=20, batch=100, later=20)
    assert begins([few]), "all of them may be wrong: their proof takes no answer"
    taught = Outlook(spent=200, audit=150, rest=0, certified=500, batch=100, later=230)
    assert not begins([before, taught])


def test_a_batch_that_makes_the_forecast_worse_counts_as_one_that_teaches_nothing():
    before = Outlook(spent=0, audit=10, rest=90, certified=50, batch=100, later=100)
    now = Outlook(spent=30, audit=10, rest=110, certified=50, batch=100, later=110)
    assert before.spent + before.later < now.spent + now.left, "more is left than forecast"
    assert not begins([before, now])


@pytest.mark.long
def test_the_rest_of_a_pool_costs_its_price():
    plan = plan_of(pool(np.random.default_rng(0), 3000, 0.85), 0.02, 4000)
    prices = (alone, lambda p: 0.4 * alone(p))
    dear, cheap = (outlook([plan], n_left=4000, spent=0, batch_size=100, price=price) for price in prices)
    assert cheap.left < dear.left
    assert cheap.audit <= dear.audit
    assert (dear.batch, cheap.batch) == (100, 40)
    for_sure = outlook([plan], n_left=4000, spent=0, batch_size=100, price=lambda p: np.where(p > 0.9, 0.02, 1.0))
    assert (for_sure.audit, for_sure.certified) == (0, 0), "a proof takes more than glances at the sure items"
    assert for_sure.left < dear.left
    assert for_sure.batch == 100, "doubtful items cost an answer each"
    by_class = outlook([plan, plan], n_left=8000, spent=0, batch_size=100)
    assert by_class.audit == pytest.approx(2 * dear.audit)
    hopeless = outlook([plan_of(np.full(1000, 0.4), 0.02, 1000)], n_left=1000, spent=50, batch_size=100)
    assert (hopeless.audit, hopeless.rest, hopeless.certified, hopeless.later) == (0, 1000, 0, 1000)


@pytest.mark.parametrize(("factor", "most"), [(1.0, 1.1), (2.0, 1.6)])
def test_an_audit_ends_near_its_forecast_though_the_model_errs_more(factor, most):
    rng = np.random.default_rng(0)
    errors = pool(rng, 5000, 0.95)
    whole = plan_of(errors, 0.02, 5000)
    option = cheapest(whole)
    assert option is not None
    costs = []
    for _ in range(AUDITS):
        asked, certified = audited(option.plan, rng.random(len(errors)) < factor * errors, rng)
        costs.append(len(errors) - certified)
        assert asked
    assert np.mean(costs) <= most * option.cost(whole, alone)


def audited(plan: Plan, wrong: np.ndarray, rng: np.random.Generator, batch: int = 100) -> tuple[int, int]:
    """Return the answers of an audit, and the labels that it certifies."""
    order, asked, left = plan.order(rng), 0, float(plan.answers[-1])
    while left and asked < len(order):
        asked = min(asked + draws(left, batch), len(order))
        advice = advise(plan, order[:asked], wrong[order[:asked]])
        assert advice.proof == prove(plan, order[:asked], wrong[order[:asked]])
        left = advice.left
    return asked, advice.proof.labels if advice.proof else 0


def test_an_audit_of_a_bad_model_is_given_up():
    rng = np.random.default_rng(0)
    errors = pool(rng, 5000, 0.95)
    whole = plan_of(errors, 0.02, 5000)
    option = cheapest(whole)
    assert option is not None
    asked, certified = audited(option.plan, rng.random(len(errors)) < 0.3, rng)
    assert certified == 0
    assert asked < 1.5 * option.answers


def test_a_batch_asks_fewer_draws_than_are_left():
    assert [draws(left, 100) for left in (400, 40, 3, 0.5)] == [100, 20, 10, 10]


@pytest.mark.parametrize("target", [Target(0.02), Target(0.012, (0.02 - 0.012) * 1800)])
@pytest.mark.parametrize("calibrated", [0.004, 0.0005])
def test_right_answers_beyond_the_forecast_take_no_proof_away(target, calibrated):
    _, sizes, expected = stratify(np.full(950, 1 - calibrated))
    plan = Plan(sizes, expected, target, 0.03, missed=0.003)
    order = plan.order(np.random.default_rng(0))
    proven = [prove(plan, order[:n], np.zeros(n, bool)) is not None for n in range(0, 600, 20)]
    assert proven == sorted(proven)
    assert proven[-1]
