"""Test that a proof is false as rarely as its risk says: exactly on tiny pools, by simulation on large ones."""

import itertools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from audits import TARGET, Draw, false_proof, pool, sequences
from extent import ALL, examples, some
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom

from labeling.finishing.certifying.people import chance_missed
from labeling.finishing.certifying.plan import Plan, Target, stratify
from labeling.finishing.certifying.proof import prove

RISK = 0.05
PROJECTS = 1000 if ALL else 60
ENOUGH_FOR_A_MUTANT = 400
LOOKS = np.geomspace(60, 3000, 40).astype(int).tolist()


def judged(plan, ranks, wrong):
    proof = prove(plan, ranks, wrong)
    return proof and (proof.last, proof.most_wrong)


class Claims:
    """The claims of a plan after sequences of draws, each computed once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.starts = np.cumsum([0, *plan.sizes[:-1]])
        self.known: dict[tuple[Draw, ...], tuple[int, int] | None] = {}

    def after(self, draws: tuple[Draw, ...]) -> tuple[int, int] | None:
        if draws not in self.known:
            before = [sum(stratum == other for other, _ in draws[:n]) for n, (stratum, _) in enumerate(draws)]
            ranks = np.array([self.starts[stratum] + n for (stratum, _), n in zip(draws, before, strict=True)])
            self.known[draws] = judged(self.plan, ranks, np.array([is_wrong for _, is_wrong in draws]))
        return self.known[draws]

    def chances(self, wrong: Sequence[int]) -> tuple[float, float]:
        """Return the exact chance that some look claims too few wrong labels, and that some look proves a set."""
        false = proven = Fraction(0)
        weights = [Fraction(float(weight)) for weight in self.plan.weights]
        for row, chance in sequences(self.plan.sizes.tolist(), wrong, weights, int(self.plan.ends[-1])):
            claims = []
            for n in range(1, len(row) + 1):
                claim = self.after(tuple(row[:n]))
                if claim:
                    left = sum(is_wrong for stratum, is_wrong in row[n:] if stratum <= claim[0])
                    claims.append(left > claim[1])
            false += chance * any(claims)
            proven += chance * bool(claims)
        return float(false), float(proven)


@pytest.mark.parametrize(
    ("sizes", "expected", "target", "risk"),
    [
        ([3, 2], [0.05, 0.2], Target(0.4), 0.45),
        *some([([3, 3], [0.05, 0.2], Target(0.25), 0.3), ([4, 3], [0.05, 0.2], Target(0.3), 0.3)]),
        *some(
            [([1, 2, 3], [0.1, 0.1, 0.2], Target(0.4), 0.4), ([2, 2, 2], [0.02, 0.1, 0.3], Target(0.1, 1.0), 0.4)], 0
        ),
        *some([([2, 2, 2], [0.05, 0.1, 0.3], Target(0.34), 0.35), ([3, 4], [0.05, 0.1], Target(0.2), 0.4)], 0),
    ],
)
def test_over_all_samples_of_a_tiny_pool_a_proof_is_false_at_most_as_often_as_the_risk(sizes, expected, target, risk):
    plan = Plan(np.array(sizes), np.array(expected), target, risk)
    claims, counts = Claims(plan), itertools.product(*(range(n + 1) for n in sizes))
    false, proven = zip(*(claims.chances(wrong) for wrong in counts), strict=True)
    assert max(false) <= risk
    assert max(false) > 0, "no sample deceives: the test tests nothing"
    assert max(proven) > 0.2


def plans(missed: float = 0.0) -> list[tuple[Plan, np.ndarray]]:
    """Return plans for models of three accuracies, with the calibrated probabilities that labels are wrong."""
    made = []
    for accuracy, n in [(0.8, 40_000), (0.9, 2_000), (0.95, 20_000)]:
        errors = pool(np.random.default_rng(n), n, accuracy)
        mean = np.cumsum(errors) / np.arange(1, n + 1)
        errors = errors[: np.searchsorted(mean, 0.6 * TARGET.share)]
        _, sizes, expected = stratify(1 - errors, n_strata=20)
        made.append((Plan(sizes, expected, TARGET, RISK, missed), errors))
    return made


def shifted(plan: Plan, errors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the wrong labels of a model that is worse than calibration says: in the first set that is tried, few
    labels more are wrong than the target allows.
    """
    end = int(plan.ends[plan.first])
    shape = [np.ones(len(errors)), errors, errors[::-1], errors**0.5][rng.integers(4)]
    wrong = rng.random(len(errors)) < np.minimum(shape * TARGET.share * end / shape[:end].sum(), 1)
    wrong[:end] = False
    count = TARGET.wrong(end) + int(rng.integers(1, 6))
    wrong[rng.choice(end, count, replace=False, p=shape[:end] / shape[:end].sum())] = True
    return wrong


def share_of_false_proofs(
    judge,
    order,
    *,
    seed: int,
    bad: float,
    projects: int = PROJECTS,
    missed: float = 0.0,
    assumed: float = 0.0,
    looks: Sequence[int] = LOOKS,
) -> float:
    """Return the share of simulated projects in which some look of a growing audit proves something false. People miss
    wrong labels with the probability `missed`, and the plans assume another one.
    """
    rng = np.random.default_rng(seed)
    made, false = plans(assumed), 0
    for project in range(projects):
        plan, errors = made[project % len(made)]
        wrong = shifted(plan, errors, rng) if rng.random() < bad else rng.random(len(errors)) < errors
        seen = wrong & (rng.random(len(wrong)) >= missed)
        false += false_proof(plan, wrong, seen, order(plan, rng), looks, judge)
    return false / projects


QUICK_PLAN = plans()[1]


def test_a_set_is_proven_only_if_it_is_for_every_class():
    plan, _ = QUICK_PLAN
    ranks = plan.order(np.random.default_rng(1))[:170]
    right, wrong = np.zeros(170, bool), np.arange(170) < 16
    assert prove(plan, ranks, right) is not None
    assert prove(plan, ranks, np.column_stack([right, right])) is not None
    for columns in ([right, wrong], [wrong, right]):
        assert prove(plan, ranks, np.column_stack(columns)) is None


def most_by_luck(projects: int = PROJECTS) -> float:
    """Return the share of false proofs that a risk of 5 % exceeds in one of a hundred tests."""
    return binom.ppf(0.99, projects, RISK) / projects


def test_of_1000_projects_half_with_a_shifted_model_at_most_5_percent_hold_a_false_proof():
    looks = LOOKS if ALL else LOOKS[::4]
    assert share_of_false_proofs(judged, Plan.order, seed=1, bad=0.5, looks=looks) <= most_by_luck()


@pytest.mark.long
def test_the_risk_holds_if_all_models_are_shifted():
    assert share_of_false_proofs(judged, Plan.order, seed=2, bad=1.0) <= most_by_luck()


def looks_again_unpaid(plan, ranks, wrong):
    """A mutant: exact tests for a sample of fixed size, repeated at each look at the full risk."""
    best = None
    for last in range(plan.first, len(plan.sizes)):
        inside = ranks < plan.ends[last]
        asked, found = int(inside.sum()), int(wrong[inside].sum())
        size = int(plan.ends[last])
        claim = plan.target.wrong(size - asked)
        if hypergeom.cdf(found, size, min(claim + found + 1, size), asked) > RISK:
            break
        best = last, claim
    return best


def uniform(plan, rng):
    return rng.permutation(plan.ends[-1])


@pytest.mark.long
@pytest.mark.parametrize("bad", [1.0, *some([0.5], 0)])
def test_a_procedure_that_looks_again_without_paying_fails_these_tests(bad):
    projects = PROJECTS if ALL else ENOUGH_FOR_A_MUTANT
    share = share_of_false_proofs(looks_again_unpaid, uniform, seed=2, bad=bad, projects=projects)
    assert share > most_by_luck(projects)


@pytest.mark.long
def test_the_risk_holds_though_people_miss_wrong_labels():
    missed = chance_missed(0.15, coincidence=1.0)
    share = share_of_false_proofs(judged, Plan.order, seed=3, bad=1.0, missed=missed, assumed=missed)
    assert share <= most_by_luck()


@pytest.mark.long
def test_an_audit_that_takes_people_for_the_truth_fails_this_test():
    share = share_of_false_proofs(judged, Plan.order, seed=3, bad=1.0, missed=0.4, assumed=0.0)
    assert share > most_by_luck()


@settings(max_examples=examples(40), deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.02, 0.05, 0.1]), st.sampled_from([0.0, 0.003, 0.03]))
def test_a_proof_keeps_the_target_and_counts_its_answers(seed, error, missed):
    rng = np.random.default_rng(seed)
    _, sizes, expected = stratify(1 - rng.beta(0.2, 10, int(rng.integers(1, 3000))))
    plan = Plan(sizes, expected, Target(error), missed=missed)
    order = plan.order(rng)
    assert sorted(order) == list(range(plan.ends[-1]))
    wrong = rng.random(len(order)) < np.repeat(expected, sizes)
    n = int(rng.integers(0, len(order) + 1))
    proof = prove(plan, order[:n], wrong[order[:n]])
    if proof:
        inside = order[:n] < plan.ends[proof.last]
        assert (proof.asked, proof.found) == (inside.sum(), wrong[order[:n]][inside].sum())
        assert proof.labels == plan.ends[proof.last] - proof.asked > 0
        assert proof.error <= error
        assert proof.evidence >= plan.threshold >= np.log(20)


@pytest.mark.long
def test_a_false_proof_about_a_class_is_as_rare_as_the_risk_though_all_classes_share_the_draws():
    """Of four classes one is wrong too often, and the model is sure of it. All others are hardly ever wrong."""
    rng = np.random.default_rng(5)
    false = proven = 0
    for project in range(PROJECTS):
        plan, errors = plans()[project % 3] if ALL else QUICK_PLAN
        wrong = np.stack([shifted(plan, errors, rng), *(rng.random((3, len(errors))) < errors / 10)], axis=1)
        order, claims = plan.order(rng), set()
        for n in LOOKS[::4]:
            proof = prove(plan, order[:n], wrong[order[:n]])
            if proof:
                rest = np.setdiff1d(np.arange(plan.ends[proof.last]), order[:n])
                claims.add(bool(wrong[rest].sum(axis=0).max() > proof.most_wrong))
        false, proven = false + (True in claims), proven + bool(claims)
    assert false / PROJECTS <= most_by_luck()
    assert proven


def test_a_set_is_proven_for_each_class_as_it_would_be_for_the_worst_proven_alone():
    _, sizes, expected = stratify(np.full(4_000, 0.99))
    plan = Plan(sizes, expected, Target(0.04), missed=0.01)
    rng = np.random.default_rng(2)
    order = plan.order(rng)
    wrong = rng.random((4_000, 3)) < np.array([0.001, 0.01, 0.02])
    for n in (50, 150, 300, 600, 1200):
        alone = [prove(plan, order[:n], column[order[:n]]) for column in wrong.T]
        together = prove(plan, order[:n], wrong[order[:n]])
        lasts = [-1 if proof is None else proof.last for proof in alone]
        assert (-1 if together is None else together.last) <= min(lasts)
        if together and together.last == min(lasts):
            assert together.evidence == pytest.approx(min(proof.evidence for proof in alone if proof), abs=1e-9) or (
                len(set(lasts)) > 1
            )
            assert together.found == wrong[order[:n]].any(axis=1)[order[:n] < plan.ends[together.last]].sum()


def test_no_answers_prove_nothing_and_an_open_target_needs_none():
    plan = Plan(np.array([50, 50]), np.array([0.01, 0.02]), Target(0.05))
    nothing = np.array([], int), np.array([], bool)
    assert prove(plan, *nothing) is None
    all_may_be_wrong = prove(Plan(plan.sizes, plan.expected, Target(1.0)), *nothing)
    assert all_may_be_wrong is not None
    assert (all_may_be_wrong.last, all_may_be_wrong.labels, all_may_be_wrong.asked) == (1, 100, 0)


def test_a_clean_audit_of_a_good_model_proves_all_candidates():
    _, sizes, expected = stratify(np.full(10_000, 0.995))
    plan = Plan(sizes, expected, Target(0.02))
    order = plan.order(np.random.default_rng(0))
    proof = prove(plan, order[:300], np.zeros(300, bool))
    assert proof is not None
    assert (proof.last, proof.labels, proof.asked, proof.found) == (len(sizes) - 1, 9_700, 300, 0)
    assert prove(plan, order[:140], np.zeros(140, bool)) is None, "148 answers are the fewest for 2 % at 95 %"


def test_the_order_draws_in_proportion_to_the_weights():
    plan = Plan(np.array([40, 40, 20]), np.array([0.001, 0.02, 0.1]), Target(0.1))
    rng = np.random.default_rng(0)
    first = np.bincount([plan.strata(plan.order(rng)[:1])[0] for _ in range(3000)], minlength=3) / 3000
    assert np.allclose(first, plan.sizes * plan.weights / (plan.sizes @ plan.weights), atol=0.03)


def test_candidates_are_cut_into_strata_by_probability():
    ranked, sizes, expected = stratify(np.array([0.5, 0.9, 0.7, 0.9]), n_strata=2)
    assert ranked.tolist() == [1, 3, 2, 0]
    assert sizes.tolist() == [4]
    assert np.allclose(expected, [0.25])
    _, sizes, expected = stratify(np.linspace(0.5, 1, 1001))
    assert sizes.sum() == 1001
    assert set(sizes) == {10, 11}
    assert (np.diff(expected) > 0).all()


def test_bad_plans_are_refused():
    with pytest.raises(ValueError, match="no candidates"):
        stratify(np.array([]))
    with pytest.raises(ValueError, match="at least one candidate"):
        Plan(np.array([3, 0]), np.array([0.1, 0.1]), TARGET)
    with pytest.raises(ValueError, match="risk"):
        Plan(np.array([3]), np.array([0.1]), TARGET, risk=1.0)
