"""Test how people's own errors enter a bound, against simulated people."""

import numpy as np
import pytest
from extent import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2

from labeling.finishing.certifying.people import (
    chance_missed,
    most_seen,
    most_wrong,
    standardized,
    true_shares,
    upper_error,
)


@settings(max_examples=examples(50), deadline=None)
@given(st.integers(0, 200), st.sampled_from([0.0, 0.001, 0.01, 0.05]), st.sampled_from([0.001, 0.01]))
def test_most_wrong_and_most_seen_are_inverse(seen, missed, risk):
    most = most_wrong(seen, missed, risk)
    assert most >= seen
    assert missed == 0 or binom.cdf(seen, most + 1, 1 - missed) <= risk
    assert most_seen(most, missed, risk) == seen or most_wrong(most_seen(most, missed, risk), missed, risk) <= most
    assert most == seen or most_seen(most - 1, missed, risk) < seen


def test_an_audit_misses_wrong_labels_at_most_as_often_as_computed():
    rng = np.random.default_rng(0)
    for error, coincidence in [(0.1, 1.0), (0.2, 1.0), (0.3, 0.5)]:
        missed = np.mean([_missed(rng, error, coincidence) for _ in range(4000)])
        assert missed <= chance_missed(error, coincidence) + 0.02


@pytest.mark.parametrize("people", [1, 2, 3, 4])
def test_it_misses_them_no_more_often_if_few_people_repeat_themselves(people):
    rng = np.random.default_rng(1)
    for error, coincidence in [(0.1, 1.0), (0.2, 1.0), (0.2, 0.3), (0.3, 0.5)]:
        missed = np.mean([_missed(rng, error, coincidence, people) for _ in range(4000)])
        assert missed <= chance_missed(error, coincidence, people) + 0.01


def test_two_people_miss_more_than_many():
    rng = np.random.default_rng(2)
    missed = np.mean([_missed(rng, 0.1, 1.0, people=2) for _ in range(20_000)])
    assert missed > chance_missed(0.1, 1.0)


def test_bounds_of_one_stratum_are_those_of_a_poisson_count():
    share = standardized(np.array([6.0]), np.array([200.0]), np.ones(1))
    assert share.least == pytest.approx(chi2.ppf(0.05, 12) / 2 / 200)
    assert share.most == pytest.approx(chi2.ppf(0.95, 14) / 2 / 200)


@pytest.mark.parametrize(
    "errors", [(0.03, 0.03, 0.03), (1 / 3, 0.03, 0.03), (0.0, 0.5, 0.0)], ids=["by chance", "one class", "the rare"]
)
def test_bounds_hold_for_a_mix_of_classes_that_the_sample_does_not_have(errors):
    """A class on which people err may be a tenth of the gold items, and half of the items that a model doubts."""
    rng = np.random.default_rng(3)
    n, weights = np.array([30.0, 6.0, 60.0]), np.array([0.5, 0.3, 0.2])
    shares = [standardized(rng.binomial(n.astype(int), errors).astype(float), n, weights) for _ in range(1000)]
    truth = float(weights @ np.array(errors))
    assert np.mean([share.most < truth for share in shares]) <= 0.05 + 0.02
    assert np.mean([share.least > truth for share in shares]) <= 0.05 + 0.02


def test_true_classes_follow_from_the_labels_and_the_confusions():
    confusion = np.array([[200.0, 100, 0], [0, 300, 0], [0, 0, 300]])
    assert true_shares(confusion, np.array([20.0, 40, 30])) == pytest.approx([1 / 3, 1 / 3, 1 / 3], abs=0.01)


def test_true_classes_are_shares_whatever_is_missing():
    assert true_shares(np.zeros((3, 3)), np.array([0.0, 4, 0])) == pytest.approx([0, 1, 0])


def _missed(rng: np.random.Generator, error: float, coincidence: float, people: int | None = None) -> bool:
    """Return whether people, asked until two agree after a disagreement, settle on the model's wrong label. Once all
    `people` have answered, any of them is asked again and repeats their answer.
    """

    def answer() -> str | int:
        if people is not None and len(answers) >= people:
            return answers[int(rng.integers(people))]
        if rng.random() >= error:
            return "right"
        return "model" if rng.random() < coincidence else int(rng.integers(1_000_000))

    answers: list[str | int] = []
    answers.append(answer())
    if answers[0] == "model":
        return True
    while len(set(answers)) == len(answers):
        answers.append(answer())
    return max(answers, key=answers.count) == "model"


def test_people_who_may_miss_every_error_prove_nothing():
    """3 of 20 gold items wrong: of yes and no, a third of the answers may be wrong, each as the model's."""
    missed = chance_missed(upper_error(3, 20), 1.0)
    assert missed == 1.0
    assert most_seen(60, missed, 0.005) == most_seen(60, 1.2, 0.005) == -1


def test_no_missed_error_leaves_the_bound_as_it_is():
    assert most_wrong(20, 0.0, 0.005) == most_seen(20, 0.0, 0.005) == 20
    assert most_seen(-1, 0.01, 0.005) == -1
    assert chance_missed(0.0, 1.0) == 0.0


def test_few_gold_answers_leave_people_in_doubt():
    assert upper_error(0, 10) > upper_error(0, 100) > upper_error(0, 1000)
    assert upper_error(0, 0) == upper_error(3, 3) == 1.0
    with pytest.raises(ValueError, match="error"):
        chance_missed(0.5, 0.1)
