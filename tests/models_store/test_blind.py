"""Predictions against people who did not see them: against a slow count, and where there is nothing to count."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models_store.blind import Blind, measure
from models_store.metrics import wilson
from tests.extent import examples

K = 3


def drawn(seed: int, m: int, people: int, known: float) -> Blind:
    """Return m items, which up to `people` people answered, with a machine that is right on 70 %."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, K, m)
    pairs = np.array([(item, person) for item in range(m) for person in range(people)], np.int64).reshape(-1, 2)
    pairs = pairs[rng.random(len(pairs)) < 0.7]
    return Blind(
        said=np.where(rng.random(m) < 0.7, truth, rng.integers(0, K, m)),
        sure=rng.random(m),
        truth=truth,
        known=rng.random(m) < known,
        items=pairs[:, 0],
        people=pairs[:, 1],
        answers=rng.integers(0, K, len(pairs)),
    )


def slow(blind: Blind, chosen: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (right, n) of the machine and of people, item by item."""
    machine, people = [0, 0], [0, 0]
    for item in np.flatnonzero(chosen):
        machine[1] += 1
        machine[0] += int(blind.said[item] == blind.truth[item])
        here = [(int(p), int(a)) for i, p, a in zip(blind.items, blind.people, blind.answers, strict=True) if i == item]
        for person, answer in here:
            most = Counter(other for who, other in here if who != person).most_common(2)
            if blind.known[item]:
                right = int(blind.truth[item])
            elif most and (len(most) == 1 or most[0][1] > most[1][1]):
                right = most[0][0]
            else:
                continue
            people[1] += 1
            people[0] += int(answer == right)
    return (machine[0], machine[1]), (people[0], people[1])


@settings(max_examples=examples(60), deadline=None)
@given(
    seed=st.integers(0, 9999), m=st.integers(0, 40), people=st.integers(0, 5), known=st.sampled_from([0.0, 0.3, 1.0])
)
def test_it_counts_as_a_slow_count_does(seed: int, m: int, people: int, known: float) -> None:
    blind = drawn(seed, m, people, known)
    some = np.random.default_rng(seed).random(m) < 0.5
    found = measure(blind, {"some": some, "all": np.ones(m, bool)}, K)
    for name, chosen in (("some", some), ("all", np.ones(m, bool))):
        for share, (right, n) in zip(
            (found.groups[name].machine, found.groups[name].people), slow(blind, chosen), strict=True
        ):
            assert share.n == n
            assert share.value == (right / n if n else None)
            assert (share.low, share.high) == wilson(right, n)
    assert sum(each.n for each in found.classes.values()) == m
    wrong = Counter((int(t), int(s)) for t, s in zip(blind.truth, blind.said, strict=True) if t != s)
    assert {(t, s): n for t, s, n in found.mistakes} == wrong
    assert (found.calibration is None) == (m == 0)


def test_a_machine_that_never_knows_a_class_cannot_stand_in_for_it() -> None:
    n = 300
    truth = np.arange(n) % K
    people = [np.where(np.random.default_rng(p).random(n) < 0.9, truth, (truth + 1) % K) for p in range(4)]
    liar = np.where(truth == 2, 0, truth)
    blind = Blind(
        liar, np.full(n, 0.9), truth, np.zeros(n, bool),
        np.tile(np.arange(n), 4), np.repeat(np.arange(4), n), np.concatenate(people),
    )  # fmt: skip
    found = measure(blind, {}, K)
    assert found.stand_in.worse == (2,)
    assert found.classes[2].value == 0
    assert found.mistakes == [(2, 0, 100)]


def test_the_intervals_hold_the_accuracy_in_nineteen_of_twenty_runs() -> None:
    held = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, K, 60)
        said = np.where(rng.random(60) < 0.85, truth, (truth + 1) % K)
        none = np.zeros(0, np.int64)
        blind = Blind(said, np.full(60, 0.85), truth, np.zeros(60, bool), none, none, none)
        share = measure(blind, {"all": np.ones(60, bool)}, K).groups["all"].machine
        held += share.low <= 0.85 <= share.high
    assert held >= 372  # 93 %
