"""Test the coefficients of agreement against slow references, and the coverage of their intervals."""

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import cohen_kappa_score

from labeling.insight.bootstrap import Votes, estimates
from labeling.insight.coefficients import by_class, confusions, divided, ordinal, overall, pairs
from tests.extent import examples

Rows = list[dict[int, Any]]


def votes_of(rows: Rows, classes: int, *, several: bool = False) -> Votes:
    """Return the votes of each item's annotators."""
    flat = [(item, rater, value) for item, answers in enumerate(rows) for rater, value in answers.items()]
    chosen = np.zeros((len(flat), classes))
    for place, (_, _, value) in enumerate(flat):
        chosen[place, value] = 1
    items, raters = (np.array([row[part] for row in flat]) for part in (0, 1))
    return Votes(len(rows), items, raters, sparse.csr_array(chosen), several)


def alpha(rows: list[list[int]], distance: Any) -> float:
    """Compute Krippendorff's α by its definition: the mean distance within items over that within all answers."""
    flat = [value for row in rows for value in row]
    within = sum(sum(distance(a, b) for a, b in itertools.permutations(row, 2)) / (len(row) - 1) for row in rows) / len(
        flat
    )
    among = sum(distance(a, b) for a, b in itertools.permutations(flat, 2)) / (len(flat) * (len(flat) - 1))
    return 1 - within / among if among else np.nan


def steps(rows: list[list[int]]) -> Any:
    n = Counter(value for row in rows for value in row)

    def distance(a: int, b: int) -> float:
        low, high = min(a, b), max(a, b)
        return (sum(n[point] for point in range(low, high + 1)) - (n[a] + n[b]) / 2) ** 2

    return distance


def fleiss(rows: list[list[int]]) -> float:
    of = [np.mean([a == b for a, b in itertools.permutations(row, 2)]) for row in rows]
    shares = np.array(list(Counter(value for row in rows for value in row).values())) / sum(map(len, rows))
    chance = (shares**2).sum()
    return float((np.mean(of) - chance) / (1 - chance)) if chance < 1 else np.nan


ROWS = st.lists(st.dictionaries(st.integers(0, 3), st.integers(0, 3), min_size=2, max_size=4), min_size=2, max_size=12)


def values(statistic: Any) -> list[float]:
    return [np.nan if each is None else each.value for each in estimates([statistic], draws=2)[0]]


@given(ROWS)
@settings(max_examples=examples(60), deadline=None)
def test_all_coefficients_against_their_definitions(rows: Rows) -> None:
    votes, plain = votes_of(rows, 4), [list(row.values()) for row in rows]
    same = [a == b for row in plain for a, b in itertools.permutations(row, 2)]
    slow = [np.mean(same), fleiss(plain), alpha(plain, lambda a, b: a != b)]
    np.testing.assert_allclose(values(overall(votes)), slow, atol=1e-9)
    np.testing.assert_allclose(values(ordinal(votes)), [alpha(plain, steps(plain))], atol=1e-9)


@given(ROWS)
@settings(max_examples=examples(40), deadline=None)
def test_pairs_and_classes_against_counting(rows: Rows) -> None:
    votes = votes_of(rows, 4)
    result = pairs(votes, 2)
    kappas = values(result.statistic)[len(result.measured) :] if len(result.measured) else []
    for place, kappa in zip(result.measured, kappas, strict=False):
        a, b = result.people[place]
        shared = [(row[a], row[b]) for row in rows if a in row and b in row]
        one, other = zip(*shared, strict=True)
        assert result.items[place] == len(shared)
        assert result.differing[place] == sum(x != y for x, y in shared)
        if len({*one, *other}) > 1:
            assert kappa == pytest.approx(cohen_kappa_score(one, other))
        else:
            assert np.isnan(kappa)  # one answer alone: chance is complete
    both = confusions(votes)
    counted = {(a, b): n for a, b, n in zip(both.row, both.col, both.data, strict=True)}
    for a, b in itertools.combinations(range(4), 2):
        assert counted.get((a, b), 0) == sum({a, b} <= set(row.values()) for row in rows)
    for index in range(4):
        of = [row.values() for row in rows if index in row.values()]
        assert divided(votes)[index] == sum(set(row) != {index} for row in of)
        chosen = [b == index for row in of for a, b in itertools.permutations(row, 2) if a == index]
        np.testing.assert_allclose(values(by_class(votes))[index], np.mean(chosen) if chosen else np.nan)


@given(
    st.lists(
        st.dictionaries(st.integers(0, 2), st.lists(st.integers(0, 2), unique=True), min_size=2), min_size=2, max_size=9
    )
)
@settings(max_examples=examples(40), deadline=None)
def test_with_several_classes_each_is_a_decision(rows: Rows) -> None:
    """This equals an item for each class, answered yes or no."""
    apart: Rows = [{rater: int(c in value) for rater, value in row.items()} for row in rows for c in range(3)]
    several, single = votes_of(rows, 3, several=True), votes_of(apart, 2)
    np.testing.assert_allclose(values(overall(several)), values(overall(single)), atol=1e-9)
    of_items, of_units = pairs(several, 1), pairs(single, 1)
    np.testing.assert_allclose(values(of_items.statistic), values(of_units.statistic), atol=1e-9)


def test_where_all_agree_the_interval_is_none_the_less_honest() -> None:
    rows: Rows = [{0: item % 2, 1: item % 2} for item in range(20)]
    percent, kappa, _ = estimates([overall(votes_of(rows, 2))])[0]
    assert percent is not None
    assert kappa is not None
    assert (percent.value, round(percent.low, 3)) == (1, 0.839)  # Wilson, 20 of 20
    assert kappa.low == pytest.approx(1 - (1 - percent.low) * 2)
    assert estimates([overall(votes_of([{0: 1, 1: 1}] * 20, 2))])[0][1] is None  # one answer alone: no κ


@given(ROWS, st.booleans())
@settings(max_examples=examples(60), deadline=None)
def test_each_estimate_lies_within_its_interval(rows: Rows, opposite: bool) -> None:
    """Also if two people never agree, whose mean κ is far below 0, and if all people agree."""
    if opposite:
        rows = [{0: item % 2, 1: 1 - item % 2, 2: item % 2, **row} for item, row in enumerate(rows)]
    votes = votes_of(rows, 4)
    statistics = [overall(votes), by_class(votes), ordinal(votes), pairs(votes, 1).statistic]
    for each in itertools.chain(*estimates(statistics, draws=20)):
        assert each is None or -1 <= each.low <= each.value <= each.high <= 1


@pytest.mark.parametrize("items", range(20, 60, 3))
def test_complete_agreement_is_the_upper_end(items: int) -> None:
    """The page prints 99.9 % for what is less than 1 by a rounding error."""
    percent, kappa, alpha = estimates([overall(votes_of([{0: n % 3, 1: n % 3} for n in range(items)], 3))], draws=20)[0]
    for each in (percent, kappa, alpha):
        assert each is not None
        assert each.value == each.high == 1


@pytest.mark.long
def test_the_intervals_hold_at_the_border() -> None:
    """Two people differ on one item in seven samples: Wilson's interval alone covers that agreement in 87 %."""
    rng = np.random.default_rng(3)
    hits, samples = 0, 400
    for _ in range(samples):
        first = rng.integers(0, 2, 20)
        second = np.where(rng.random(20) < 0.14 / 20, 1 - first, first)
        chosen = sparse.csr_array(np.eye(2)[np.column_stack([first, second]).ravel()])
        votes = Votes(20, np.repeat(np.arange(20), 2), np.tile([0, 1], 20), chosen)
        percent = estimates([overall(votes)], draws=60)[0][0]
        hits += percent is not None and percent.low <= 1 - 0.14 / 20 <= percent.high
    assert hits / samples > 0.92


@pytest.mark.long
def test_the_intervals_hold_as_often_as_they_say() -> None:
    """At 20 items, the fewest with figures, and more; each bound is over three standard errors below 95 %."""
    rng = np.random.default_rng(7)
    for items, accuracy, classes in ((20, 0.9, 2), (60, 0.97, 5), (200, 0.7, 3)):
        right = accuracy**2 + (1 - accuracy) ** 2 / (classes - 1)
        kappa = (right - 1 / classes) / (1 - 1 / classes)
        hits = np.zeros(2)
        for _ in range(150):
            truth = rng.integers(0, classes, (items, 1))
            wrong = (truth + rng.integers(1, classes, (items, 2))) % classes
            answers = np.where(rng.random((items, 2)) < accuracy, truth, wrong)
            chosen = sparse.csr_array(np.eye(classes)[answers.ravel()])
            votes = Votes(items, np.repeat(np.arange(items), 2), np.tile([0, 1], items), chosen)
            percent, fleiss, _ = estimates([overall(votes)], draws=150)[0]
            for place, (each, known) in enumerate(((percent, right), (fleiss, kappa))):
                hits[place] += each is not None and each.low <= known <= each.high
        assert (hits >= 0.88 * 150).all(), (items, hits)
