"""Test that all kinds of tasks show equally distributed numbers of near-copies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selector.equal_copies import ENOUGH, filled_up, law_of, lowest, shown_alike
from tests.extent import examples

MOST = 6
numbers = st.lists(st.integers(0, 2 * MOST), min_size=1, max_size=60).map(np.array)
laws = numbers.map(lambda some: law_of(some, MOST))
seeds = st.integers(0, 2**32 - 1)


def slow_shown(number: int, law: np.ndarray, target: np.ndarray, chance: float) -> int:
    """Compute the number for one task at a time: the quantile of the target at the task's place among its kind."""
    number = min(number, MOST)
    after = law[number + 1] if number < MOST else 0.0
    place = after + chance * (law[number] - after)
    at_place = max(k for k in range(MOST + 1) if k == 0 or target[k] > place)
    return min(at_place, number)


@settings(max_examples=examples(200), deadline=None)
@given(some=numbers, target=laws, seed=seeds)
def test_shown_numbers_are_those_of_a_slow_search_and_never_more_than_there_are(some, target, seed):
    law, chance = law_of(some, MOST), np.random.default_rng(seed).random(len(some))
    shown = shown_alike(some, law, target, chance)
    pairs = zip(some.tolist(), chance.tolist(), strict=True)
    assert shown.tolist() == [slow_shown(number, law, target, by_chance) for number, by_chance in pairs]
    assert (shown <= some).all()
    assert (shown >= 0).all()


@settings(max_examples=examples(100), deadline=None)
@given(some=numbers, seed=seeds)
def test_nothing_is_taken_away_where_the_laws_are_the_same(some, seed):
    law = law_of(some, MOST)
    shown = shown_alike(some, law, law, np.random.default_rng(seed).random(len(some)))
    assert shown.tolist() == np.minimum(some, MOST).tolist()


@settings(max_examples=examples(100), deadline=None)
@given(kinds=st.lists(numbers, min_size=1, max_size=4))
def test_all_kinds_show_the_same_numbers_equally_often(kinds):
    target = lowest([law_of(some, MOST) for some in kinds])
    for some in kinds:
        law = law_of(some, MOST)
        # All places of the kind, evenly: what chance comes to in the long run.
        many, chance = np.repeat(some, 400), np.tile((np.arange(400) + 0.5) / 400, len(some))
        shares = law_of(shown_alike(many, law, target, chance), MOST)
        np.testing.assert_allclose(shares, target, atol=0.02)


@settings(max_examples=examples(100), deadline=None)
@given(kinds=st.lists(laws, min_size=1, max_size=4), n=st.integers(0, 100))
def test_laws_stay_laws(kinds, n):
    for law in (lowest(kinds), filled_up(kinds[0], n, kinds[-1])):
        assert law[0] == 1
        assert (np.diff(law) <= 1e-12).all()
        assert law[-1] >= 0


def test_a_few_numbers_count_little_and_enough_of_them_stand_for_themselves():
    none, all_of_them = np.array([1.0, 0.0]), np.array([1.0, 1.0])
    assert filled_up(none, 3, all_of_them)[1] == pytest.approx(0.9)
    assert filled_up(none, ENOUGH, all_of_them)[1] == 0
    assert filled_up(none, 10 * ENOUGH, all_of_them)[1] == 0


def test_where_a_kind_has_too_few_it_shows_all_that_it_has():
    law, target = np.array([1.0, 0.2, 0.0]), np.array([1.0, 0.9, 0.5])
    some = np.array([0, 0, 1, 1])
    assert shown_alike(some, law, target, np.array([0.1, 0.9, 0.1, 0.9])).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("some", [np.array([]), np.array([[1]]), np.array([-1])])
def test_what_is_no_row_of_numbers_is_refused(some):
    with pytest.raises(ValueError, match="numbers must be one row"):
        law_of(some, MOST)
