"""Test the evidence against an exact reference, and that its expectation is at most 1 if the statement is true."""

from fractions import Fraction

import numpy as np
from audits import exact_evidence, sequences
from extent import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.finishing.certifying.bets import choose_stakes, choose_weights, growth, plausible
from labeling.finishing.certifying.proof import log_evidence, mixed

TINY = [
    ([2, 2], [1, 1], [1, 3], [Fraction(3, 2), Fraction(2)]),
    ([3, 1], [1, 1], [2, 1], [Fraction(6, 5), Fraction(4)]),
    ([1, 2, 2], [0, 1, 1], [1, 2, 5], [Fraction(11, 10), Fraction(3, 2), Fraction(5, 2)]),
]


@st.composite
def pools(draw):
    """Strata with sizes, wrong labels, weights and stakes."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3).filter(lambda sizes: sum(sizes) <= 6))
    wrong = [draw(st.integers(0, n)) for n in sizes]
    weights = [draw(st.integers(1, 5)) for _ in sizes]
    stakes = [1 + Fraction(draw(st.integers(1, 30)), 10) for _ in sizes]
    return sizes, wrong, weights, stakes


@settings(max_examples=examples(60), deadline=None)
@given(pools(), st.integers(1, 4))
def test_the_expected_evidence_is_1_where_just_one_label_more_is_wrong_and_never_more_where_more_are(pool, n):
    sizes, wrong, weights, stakes = pool
    n = min(n, sum(sizes))
    for most in range(-1, sum(wrong)):
        draws = sequences(sizes, wrong, weights, n)
        mean = sum(chance * exact_evidence(row, sizes, weights, stakes, most) for row, chance in draws)
        assert mean == 1 if most == sum(wrong) - 1 else mean <= 1


@settings(max_examples=examples(60), deadline=None)
@given(pools(), st.data())
def test_the_path_is_the_logarithm_of_the_exact_evidence(pool, data):
    sizes, wrong, weights, stakes = pool
    rows = [row for row, _ in sequences(sizes, wrong, weights, sum(sizes))]
    row = data.draw(st.sampled_from(rows))
    most = data.draw(st.integers(-1, sum(sizes)))
    path = log_evidence(
        np.array([stratum for stratum, _ in row]),
        np.array([is_wrong for _, is_wrong in row]),
        sizes=np.array(sizes),
        weights=np.array(weights, float),
        stakes=np.array([float(stake) for stake in stakes]),
        most=most,
    )
    claimed = [most + 1 - sum(is_wrong for _, is_wrong in row[:n]) for n in range(len(row) + 1)]
    refuted = [n for n, left in enumerate(claimed) if left > sum(sizes) - n]
    end = refuted[0] if refuted else len(row) + 1
    assert np.isposinf(path[end:]).all()
    expected = [float(exact_evidence(row[:n], sizes, weights, stakes, most)) for n in range(end)]
    assert np.allclose(np.exp(path[:end]), expected, rtol=1e-9)


def test_the_mean_of_two_bets_is_a_bet():
    paths = np.log(np.array([[1.0, 4.0], [1.0, 0.5]]))
    assert np.allclose(np.exp(mixed(paths, np.array([0.75, 0.25]))), [1.0, 3.125])


@settings(max_examples=examples(100), deadline=None)
@given(st.integers(0, 10_000))
def test_no_other_stakes_and_no_other_weights_grow_faster(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(5, 50, 8)
    most = np.array(max(int(0.05 * sizes.sum()), 1))
    expected = plausible(np.sort(rng.beta(0.3, 8, 8)), sizes, most)
    weights = choose_weights(expected[None], sizes, int(most))
    chances = weights / (sizes @ weights)
    best = growth(chances, choose_stakes(chances, expected, sizes, most), expected, sizes, most)
    assert best > 0
    for _ in range(20):
        other = weights * np.exp(0.3 * rng.normal(size=8))
        other /= sizes @ other
        stakes = choose_stakes(other, expected, sizes, most)
        assert growth(other, stakes, expected, sizes, most) <= best * 1.005
        worse = 1 + (stakes - 1) * np.exp(0.1 * rng.normal(size=8))
        if (sizes * worse).sum() > most + 1:
            assert growth(other, worse, expected, sizes, most) <= growth(other, stakes, expected, sizes, most) + 1e-12


def test_doubtful_labels_are_asked_more_often():
    weights = choose_weights(np.array([[0.001, 0.01, 0.05]]), np.array([400, 400, 200]), 20)
    assert weights[0] < weights[1] < weights[2]
    assert np.isclose(weights @ [400, 400, 200], 1000)


@settings(max_examples=examples(50), deadline=None)
@given(st.integers(0, 10_000))
def test_weights_for_several_bets_lose_least_for_the_one_that_they_serve_worst(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(5, 50, 8)
    most = max(int(0.05 * sizes.sum()), 1)
    bets = np.array([0.1, 1.0, 2.0])[:, None] * np.sort(rng.beta(0.3, 8, 8))

    def worst(weights):
        """Return the least growth by one of the bets, as a part of the fastest growth by this bet."""
        parts = []
        for expected in plausible(bets, sizes, np.full(3, most)):
            speeds = []
            for each in (weights, choose_weights(expected[None], sizes, most)):
                chances = each / (sizes @ each)
                stakes = choose_stakes(chances, expected, sizes, np.array(most))
                speeds.append(growth(chances, stakes, expected, sizes, np.array(most)))
            parts.append(speeds[0] / speeds[1])
        return min(parts)

    weights = choose_weights(bets, sizes, most)
    assert np.isclose(weights @ sizes, sizes.sum())
    first, last = (choose_weights(each[None], sizes, most) for each in bets[[0, -1]])
    for part in (0, 0.25, 0.5, 1):
        assert worst(weights) >= worst(first ** (1 - part) * last**part) - 1e-9
