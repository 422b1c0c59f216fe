"""Test the resolving of answers against slow references of the formulas, and by properties."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.labels.resolving import by_class, dawid_skene
from labeling.labels.resolving.asking import asks_another, worth_asking
from labeling.labels.resolving.one_coin import AnswerTable, Resolved, weigh
from labeling.labels.resolving.outlook import Rule, outlook
from labeling.labels.resolving.posterior import CLIP, AnswerSpace, ModelVote, Vote, posterior
from tests.extent import examples

ACCURACIES = st.floats(0.05, 0.99)


@given(
    votes=st.lists(st.tuples(st.integers(0, 4), ACCURACIES), max_size=6),
    word=st.none() | st.tuples(st.integers(0, 4), st.floats(0.2, 0.95)),
)
def test_the_posterior_is_bayes_over_all_values(votes: list[tuple[int, float]], word: tuple[int, float] | None) -> None:
    masses = []
    for truth in range(5):
        prior = 0.2 if word is None else word[1] if truth == word[0] else (1 - word[1]) / 4
        masses.append(prior * math.prod(a if value == truth else (1 - a) / 4 for value, a in votes))
    ours = posterior([Vote(*vote) for vote in votes], 5, ModelVote(*word) if word else None)
    assert all(math.isclose(p, masses[value] / sum(masses), abs_tol=1e-9) for value, p in ours.items())


def test_people_are_asked_as_long_as_nobody_can_be_sure() -> None:
    def more(*votes: Vote, word: ModelVote | None = None, skips: int = 0) -> bool:
        return asks_another(votes, skips, AnswerSpace(10), word=word, confidence=0.95)

    assert more(Vote(1)), "one person of whom nothing is known"
    assert not more(Vote(1, 0.97)), "somebody who has proven good"
    assert not more(Vote(1), Vote(1))
    assert more(Vote(1, 0.97), Vote(2, 0.97)), "people disagree"
    assert not more(Vote(1), word=ModelVote(1, 0.9)), "the model says so too"
    assert more(Vote(1, 0.97), word=ModelVote(2, 0.99)), "the model is sure of something else"
    assert more(skips=1)
    assert not more(skips=2), "nobody can tell"


def test_who_knows_far_less_than_the_median_is_not_asked_about_items_in_doubt() -> None:
    bad = {"a": 0.95, "b": 0.95, "c": 0.95, "d": 0.67, "e": 0.67, "f": 0.8, "g": 0.18, "h": 0.13}
    assert worth_asking(bad, 10) == {"a", "b", "c", "d", "e", "f"}
    assert worth_asking({"a": 0.9, "b": 0.85, "c": 0.5}, 2) == {"a", "b"}, "of two classes, half right is chance"
    # Where the question is hard for everybody, as sets of classes are, all go on.
    assert worth_asking({"a": 0.3, "b": 0.2, "c": 0.25}, 2**8) == {"a", "b", "c"}


def test_values_that_nobody_gave_share_the_rest_evenly() -> None:
    one = np.zeros(1, int)
    start = Resolved(one, one + 1, np.array([0.7]), np.ones(1))
    np.testing.assert_allclose(
        dawid_skene._dense(start, AnswerTable(one, one, one + 1, 1, 1, 4)), [[0.1, 0.7, 0.1, 0.1]]
    )


def test_one_accuracy_a_person_where_confusions_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    one = np.zeros(1, int)
    table = AnswerTable(one, one, one, 1, 1, 4)
    for name, value in (("MOST_VALUES", 3), ("MOST_CELLS", 15)):
        assert dawid_skene.fits(table)
        with monkeypatch.context() as small:
            small.setattr(dawid_skene, name, value)
            assert not dawid_skene.fits(table)


@given(st.dictionaries(st.integers(0, 20), st.floats(0, 1)), st.integers(1, 30))
def test_at_least_half_of_the_people_are_asked(accuracies: dict[int, float], n_values: int) -> None:
    assert 2 * len(worth_asking(accuracies, n_values)) >= len(accuracies)


@st.composite
def crowds(draw: st.DrawFn) -> AnswerTable:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_items, n_people, n_values = (draw(st.integers(1, most)) for most in (15, 4, 4))
    truth = rng.integers(n_values, size=n_items)
    rows = [
        (item, person, truth[item] if rng.random() < 0.5 + person / 10 else rng.integers(n_values))
        for item, person in itertools.product(range(n_items), range(n_people))
        if person == item % n_people or rng.random() < 0.4
    ]
    item, person, value = np.array(rows, np.int64).T
    return AnswerTable(item, person, value, n_items, n_people, n_values)


def slow_dawid_skene(answers: AnswerTable) -> list[list[float]]:
    """Compute Dawid and Skene's model with plain loops, from the same start."""
    n, items, people = answers.n_values, range(answers.n_items), range(answers.n_people)
    rows = list(zip(answers.item.tolist(), answers.person.tolist(), answers.value.tolist(), strict=True))
    accuracy = [0.9] * answers.n_people
    for _ in range(200):
        table = []
        for item in items:
            votes = [Vote(v, accuracy[p]) for i, p, v in rows if i == item]
            listed = posterior(votes, n)
            left = max(1 - sum(listed.values()), 0) / max(n - len(listed), 1)
            table.append([listed.get(value, left) for value in range(n)])
        accuracy = [
            (sum(table[i][v] for i, p, v in rows if p == person) + 9) / (sum(p == person for _, p, _ in rows) + 10)
            for person in people
        ]
    known = [min(max(a, CLIP), 1 - CLIP) for a in accuracy]
    for _ in range(200):
        shares = [(sum(row[k] for row in table) + 1) / (len(table) + n) for k in range(n)]
        before, table = table, [[math.log(shares[k]) for k in range(n)] for _ in items]
        for person in people:
            for k in range(n):
                row = [4 * (known[person] if v == k else (1 - known[person]) / max(n - 1, 1)) for v in range(n)]
                for i, p, v in rows:
                    row[v] += before[i][k] if p == person else 0
                for i, p, v in rows:
                    table[i][k] += math.log(row[v] / sum(row)) if p == person else 0
        table = [[math.exp(x) / sum(map(math.exp, row)) for x in row] for row in table]
    return table


@settings(max_examples=4, deadline=None)
@given(crowds())
def test_dawid_and_skene_is_what_plain_loops_come_to(answers: AnswerTable) -> None:
    ours, theirs = dawid_skene.resolve(answers), np.array(slow_dawid_skene(answers))
    np.testing.assert_allclose(ours.probability, theirs[ours.item, ours.value], atol=1e-3)


@settings(max_examples=examples(20), deadline=None)
@given(crowds())
def test_neither_names_nor_order_matter(answers: AnswerTable) -> None:
    order = np.random.default_rng(0).permutation(len(answers.item))
    people = np.arange(answers.n_people)[::-1]
    other = AnswerTable(
        answers.item[order], people[answers.person][order], answers.value[order],
        answers.n_items, answers.n_people, answers.n_values,
    )  # fmt: skip
    for how in (weigh, dawid_skene.resolve):
        one, two = how(answers), how(other)
        np.testing.assert_allclose(one.accuracy, two.accuracy[people], atol=1e-6)
        np.testing.assert_allclose(one.probability, two.probability, atol=1e-4)
        assert (np.bincount(one.item, one.probability, answers.n_items) <= 1 + 1e-9).all()


def test_one_look_at_all_answers_weighs_them_as_a_look_at_one_item() -> None:
    answers = AnswerTable(
        np.array([0, 0, 1, 2, 2]), np.array([0, 1, 0, 1, 0]), np.array([1, 1, 2, 0, 1]), 3, 2, 4,
        word=np.array([-1, 3, 1]), sure=np.array([0, 0.6, 0.99]),
    )  # fmt: skip
    found = weigh(answers)
    a, b = found.accuracy
    slow = [
        posterior([Vote(1, a), Vote(1, b)], 4),
        posterior([Vote(2, a)], 4, ModelVote(3, 0.6)),
        posterior([Vote(0, b), Vote(1, a)], 4, ModelVote(1, 0.99)),
    ]
    for item, value, p in zip(found.item.tolist(), found.value.tolist(), found.probability.tolist(), strict=True):
        assert p == pytest.approx(slow[item][value], abs=1e-4)


def test_a_spammer_and_a_confuser_are_seen_through() -> None:
    """One person takes every 1 for a 2 and one answers at random; three others are right nine times of ten."""
    rng = np.random.default_rng(5)
    truth = rng.integers(4, size=600)
    said = np.where(rng.random((6, 600)) < 0.9, truth, rng.integers(4, size=(6, 600)))
    said[3], said[4] = rng.integers(4, size=600), np.where(truth == 1, 2, truth)
    item, person = np.meshgrid(np.arange(600), np.arange(5))
    answers = AnswerTable(item.ravel(), person.ravel(), said[:5].ravel(), 600, 5, 4)
    found = dawid_skene.resolve(answers)
    assert found.accuracy.argmin() == 3
    assert found.accuracy[3] < 0.35
    best = np.full(600, -1)
    order = np.argsort(found.probability, kind="stable")
    best[found.item[order]] = found.value[order]
    majority = np.array([np.bincount(column, minlength=4).argmax() for column in said[:5].T])
    assert (best != truth).mean() < (majority != truth).mean()


SETS = st.lists(st.integers(0, 5), max_size=4).map(lambda named: tuple(sorted(set(named))))


@given(votes=st.lists(st.tuples(SETS, ACCURACIES), min_size=1, max_size=5), decisions=st.integers(6, 9))
def test_the_posterior_by_class_is_bayes_over_all_sets(
    votes: list[tuple[tuple[int, ...], float]], decisions: int
) -> None:
    """The reference weighs each of the 2^decisions sets by its answers."""
    masses = {}
    for bits in itertools.product([False, True], repeat=decisions):
        truth = {index for index, is_in in enumerate(bits) if is_in}
        mass = 1.0
        for value, accuracy in votes:
            right = min(max(accuracy ** (1 / decisions), CLIP), 1 - CLIP)
            differing = len(truth ^ set(value))
            mass *= right ** (decisions - differing) * (1 - right) ** differing
        masses[tuple(sorted(truth))] = mass
    ours, whole = by_class.posterior([Vote(*vote) for vote in votes], decisions), sum(masses.values())
    assert all(math.isclose(p, masses[value] / whole, abs_tol=1e-9) for value, p in ours.items())
    assert math.isclose(max(ours.values()), max(masses.values()) / whole, abs_tol=1e-9)


def test_people_who_err_about_different_classes_settle_an_item() -> None:
    answers = [(1, 2), (2,), (2, 3)]

    def more(n: int) -> bool:
        votes = [Vote(value, 0.8) for value in answers[:n]]
        return asks_another(votes, 0, AnswerSpace(9, 8), confidence=0.9)

    assert more(1)
    assert more(2), "one of the two names another class"
    assert not more(3)
    found = by_class.posterior([Vote(value, 0.8) for value in answers], 8)
    assert max(found, key=found.__getitem__) == (2,), "the answer of one of three"
    nobody = by_class.posterior([Vote((1, 2, 3), 0.8), Vote((2, 3, 4), 0.8), Vote((1, 2, 4), 0.8)], 8)
    assert max(nobody, key=nobody.__getitem__) == (1, 2, 3, 4), "a set that nobody answered"


@st.composite
def crowds_of_sets(draw: st.DrawFn) -> tuple[AnswerTable, list[tuple[int, ...]]]:
    sets = draw(st.lists(SETS, min_size=1, max_size=6, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_items, n_people = draw(st.integers(1, 8)), draw(st.integers(1, 4))
    rows = [
        (item, person, rng.integers(len(sets)))
        for item, person in itertools.product(range(n_items), range(n_people))
        if person == item % n_people or rng.random() < 0.6
    ]
    item, person, value = np.array(rows, np.int64).T
    return AnswerTable(item, person, value, n_items, n_people, len(sets)), sets


@settings(max_examples=examples(30), deadline=None)
@given(crowds_of_sets(), st.integers(2, 9))
def test_sets_are_weighed_as_plain_loops_do(crowd: tuple[AnswerTable, list[tuple[int, ...]]], decisions: int) -> None:
    answers, sets = crowd
    rows = list(zip(answers.item.tolist(), answers.person.tolist(), answers.value.tolist(), strict=True))
    accuracy = [0.9] * answers.n_people
    for _ in range(200):
        tables = [
            by_class.posterior([Vote(sets[v], accuracy[p]) for i, p, v in rows if i == item], decisions)
            for item in range(answers.n_items)
        ]
        accuracy = [
            (sum(tables[i][sets[v]] for i, p, v in rows if p == person) + 9)
            / (sum(p == person for _, p, _ in rows) + 10)
            for person in range(answers.n_people)
        ]
    ours = by_class.weigh(answers, sets, decisions)
    np.testing.assert_allclose(ours.resolved.accuracy, accuracy, atol=1e-4)
    for item, value, p in zip(ours.resolved.item, ours.resolved.value, ours.resolved.probability, strict=True):
        assert math.isclose(tables[item][ours.sets[value]], p, abs_tol=1e-3)
    for item, table in enumerate(tables):  # a set that nobody answered stands in `table` if it is the likeliest
        likeliest = max(ours.resolved.probability[ours.resolved.item == item])
        assert math.isclose(likeliest, max(table.values()), abs_tol=1e-3)


def test_a_rule_by_class_asks_for_fewer_answers_than_one_for_whole_lists() -> None:
    rule, people = (
        Rule(least=2, most=5, confidence=0.9, check_share=0.0),
        [0.74] * 8,
    )  # 3 % wrong about each of ten classes
    whole, each = outlook(rule, people, AnswerSpace(9)), outlook(rule, people, AnswerSpace(9, 8))
    assert each.answers < whole.answers
    assert each.undecided < whole.undecided / 2
    assert each.wrong < 0.05
