"""Test that forecasts of an audit's size come true where calibration is right, and that risks and errors add up."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from audits import pool
from extent import ALL

from labeling.finishing.certifying.forecast import Option, alone, answers_left, cheapest, options
from labeling.finishing.certifying.people import chance_missed
from labeling.finishing.certifying.plan import Plan, Target, of_attempt, stratify
from labeling.finishing.certifying.proof import prove
from labeling.questions import named

N = 20_000
AUDITS = 100 if ALL else 25


@pytest.fixture(scope="module")
def errors() -> np.ndarray:
    return pool(np.random.default_rng(0), N, 0.9)


@pytest.fixture(scope="module")
def whole(errors: np.ndarray) -> Plan:
    _, sizes, expected = stratify(1 - errors, n_strata=50)
    return Plan(sizes, expected, Target(0.05))


@pytest.fixture(scope="module")
def best(whole: Plan) -> Option:
    option = cheapest(whole)
    assert option is not None
    return option


def answers_taken(plan: Plan, errors: np.ndarray, rng: np.random.Generator) -> float:
    wrong = rng.random(plan.ends[-1]) < errors[: plan.ends[-1]]
    order = plan.order(rng)
    for n in range(40, 1500, 20):
        proof = prove(plan, order[:n], wrong[order[:n]])
        if proof and proof.last == len(plan.sizes) - 1:
            return n
    return np.inf


@pytest.mark.long
def test_half_of_the_audits_end_near_the_forecast(best, errors):
    rng = np.random.default_rng(1)
    taken = np.median([answers_taken(best.plan, errors, rng) for _ in range(AUDITS)])
    assert 0.6 * best.answers <= taken <= 1.4 * best.answers


@pytest.mark.long
def test_in_a_small_pool_half_of_the_audits_end_near_the_forecast():
    """Each right answer leaves fewer labels among which wrong ones could be: twice the growth by the end."""
    rng = np.random.default_rng(1)
    errors = pool(rng, 3000, 0.985)
    _, sizes, expected = stratify(1 - errors, n_strata=20)
    plan = Plan(sizes, expected, Target(0.005, (0.02 - 0.005) * 3750))
    taken = np.median([answers_taken(plan, errors, rng) for _ in range(AUDITS)])
    assert 0.8 * plan.answers[-1] <= taken <= 1.2 * plan.answers[-1]


def test_the_curve_rises_and_the_cheapest_option_is_none_dearer_than_its_points(whole, best):
    curve = options(whole)
    answers = [option.answers for option in curve]
    assert [option.labels for option in curve] == sorted(option.labels for option in curve)
    assert all(after >= 0.95 * before for before, after in pairwise(answers)), "each answer makes a small set smaller"
    assert np.isinf(answers[-1]), "10 % of all labels are wrong"
    assert best.cost(whole, alone) <= min(option.cost(whole, alone) for option in curve)
    assert best.error < 0.05
    assert best.cost(whole, alone) < N / 3


def test_few_candidates_and_bad_models_go_to_people():
    assert cheapest(Plan(np.array([10, 10]), np.array([0.001, 0.001]), Target(0.02))) is None
    assert cheapest(Plan(np.array([500, 500]), np.array([0.3, 0.5]), Target(0.02))) is None


def test_the_answers_left_fall_to_0(best):
    plan, last = best.plan, len(best.plan.sizes) - 1
    order = plan.order(np.random.default_rng(0))
    left = [answers_left(plan, last, order[:n], np.zeros(n, bool)) for n in range(0, 600, 50)]
    assert left == sorted(left, reverse=True)
    assert left[0] > 100
    assert left[-1] == 0
    errors_first = answers_left(plan, last, order[:50], np.arange(50) < 5)
    assert errors_first > left[0]


def test_errors_that_people_miss_cost_answers(whole, best):
    doubtful = Plan(best.plan.sizes, best.plan.expected, whole.target, missed=chance_missed(0.03, 1.0))
    assert doubtful.answers[-1] > best.answers


def test_a_target_for_the_pool_leaves_more_room_than_one_for_the_labels(whole):
    pooled = replace(whole, target=Target(0.005, (0.05 - 0.005) * N))
    by_pool = cheapest(pooled)
    assert by_pool is not None
    by_label = cheapest(whole)
    assert by_label is not None
    assert by_pool.cost(pooled, alone) < by_label.cost(whole, alone)
    assert by_pool.plan.target.wrong(by_pool.labels) + 0.005 * (N - by_pool.labels) <= 0.05 * N


def test_the_risks_of_all_attempts_sum_to_the_risk():
    assert sum(of_attempt(0.05, attempt) for attempt in range(1, 60)) == pytest.approx(0.05)
    assert of_attempt(0.05, 1) > of_attempt(0.05, 2) > 0


@pytest.mark.parametrize(
    ("question", "predicted", "label", "options", "wrong"),
    [
        ("single", 2, 2, {}, False),
        ("single", 2, 1, {}, True),
        ("verify", True, False, {}, True),
        ("verify", True, True, {}, False),
        ("score", 3, 4, {}, True),
        ("score", 3, 4, {"within": 1}, False),
        ("score", 2, 4, {"within": 1}, True),
        ("multi", [0, 2], [0, 2], {}, False),
        ("multi", [0, 2], [0], {}, True),
    ],
)
def test_a_label_is_wrong_by_its_question(question, predicted, label, options, wrong):
    assert named(question).is_wrong(predicted, label, **options) is wrong


def test_options_of_other_questions_are_refused():
    with pytest.raises(ValueError, match="no points of a scale"):
        named("single").is_wrong(1, 2, within=1)
    with pytest.raises(ValueError, match="no decisions by class"):
        named("single").wrong_classes(1, 2)


def test_a_list_of_classes_is_wrong_about_those_that_it_has_too_many_or_lacks():
    assert named("multi").wrong_classes([0, 2], [0, 3]) == {2, 3}
    assert named("multi").wrong_classes([], []) == set()
