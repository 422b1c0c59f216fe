"""The alternative annotator test, against a slow one, and on people and machines whose skill is known."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from models_store import stand_in as module
from models_store.stand_in import UNKNOWN, stand_in
from tests.extent import examples

K = 3


def answers_of(seed: int, *, people: float, machine: float, n: int = 120, known: float = 0.0) -> tuple:
    """Return what the test takes: four people and a machine, right on these shares of n items."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, K, n)

    def answer(right: float) -> np.ndarray:
        return np.where(rng.random(n) < right, truth, (truth + rng.integers(1, K, n)) % K)

    said = answer(machine)
    each = [answer(people) for _ in range(4)]
    told = np.where(rng.random(n) < known, truth, UNKNOWN)
    return said, told, np.tile(np.arange(n), 4), np.repeat(np.arange(4), n), np.concatenate(each), K


def slow(machine, known, items, people, answers) -> tuple[dict[int, float], dict[int, float]]:
    """Return the uncorrected p-value and the machine's share, by person."""
    by_item: dict[int, dict[int, int]] = {}
    for item, person, answer in zip(items.tolist(), people.tolist(), answers.tolist(), strict=True):
        by_item.setdefault(item, {})[person] = answer
    p_values, shares = {}, {}
    for person in sorted(set(people.tolist())):
        differences, wins = [], []
        for item, given_ in by_item.items():
            rest = [answer for other, answer in given_.items() if other != person]
            if known[item] != UNKNOWN:
                rest = [known[item]]
            if person in given_ and rest:
                agrees = Counter(rest)
                mine, its = agrees[given_[person]], agrees[machine[item]]
                differences.append((mine >= its) - (its >= mine))
                wins.append(its >= mine)
        if len(differences) >= 30:
            shares[person] = sum(wins) / len(wins)
            p_values[person] = ttest_1samp(differences, 0.15, alternative="less").pvalue
    return p_values, shares


@settings(max_examples=examples(60), deadline=None)
@given(seed=st.integers(0, 9999), machine=st.floats(0.2, 1), kept=st.floats(0.3, 1), known=st.sampled_from([0.0, 0.5]))
def test_it_is_what_a_slow_test_says(seed, machine, kept, known):
    said, told, items, people, answers, k = answers_of(seed, people=0.8, machine=machine, known=known)
    chosen = np.random.default_rng(seed).random(len(items)) < kept
    items, people, answers = items[chosen], people[chosen], answers[chosen]
    found = stand_in(said, told, items, people, answers, k)
    p_values, shares = slow(said, told, items, people, answers)
    assert found.people == len(shares)
    # Benjamini and Yekutieli: the largest rank whose p-value is at most rank x 5 % / (m x (1 + 1/2 + … + 1/m)).
    m = len(p_values)
    bounds = [rank * 0.05 / (m * sum(1 / i for i in range(1, m + 1))) for rank in range(1, m + 1)]
    ranked = sorted(p_values.values())
    assert found.won == max((rank for rank in range(1, m + 1) if ranked[rank - 1] <= bounds[rank - 1]), default=0)
    assert found.probability is None if not m else abs(found.probability - np.mean(list(shares.values()))) < 1e-12


def test_a_machine_as_good_as_people_stands_in_and_a_worse_one_does_not():
    outcomes = {
        machine: [stand_in(*answers_of(seed, people=0.85, machine=machine, n=300)).passes for seed in range(20)]
        for machine in (0.9, 0.6)
    }
    assert outcomes == {0.9: [True] * 20, 0.6: [False] * 20}


def test_a_class_that_the_machine_misses_is_named():
    said, told, items, people, answers, k = answers_of(1, people=0.9, machine=0.95, n=300, known=1)
    assert stand_in(said, told, items, people, answers, k).worse == ()
    blind = np.where((told == 2) & (np.arange(300) % 2 == 0), 0, said)
    assert stand_in(blind, told, items, people, answers, k).worse == (2,)


def test_few_people_few_items_and_no_answers_say_nothing():
    said, told, items, people, answers, k = answers_of(0, people=0.9, machine=0.9, known=1)
    two = people < 2
    found = stand_in(said, told, items[two], people[two], answers[two], k)
    assert (found.people, found.is_known, found.passes) == (2, False, False)
    few = items < module.LEAST_ITEMS - 1
    assert stand_in(said, told, items[few], people[few], answers[few], k).people == 0
    none = np.zeros(0, np.int64)
    assert stand_in(said, told, none, none, none, k) == module.StandIn(0, 0, None, ())
