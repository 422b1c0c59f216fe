"""Answers of machines count as far as they have been right on labels that nothing had seen."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from models_store.evidence import ABSTAINED, Confusion, fit, last_change
from tests.extent import examples

K = 4
answers_of = st.lists(
    st.tuples(st.integers(0, K - 1), st.integers(ABSTAINED, K - 1), st.floats(0.1, 10)), min_size=1, max_size=12
)


def simulated(seed: int, n: int, *, model: float, machine: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, (n, K) probabilities of a model that is right as often as it says, and a machine's answers."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, K, n)

    def answers(right: float) -> np.ndarray:
        return np.where(rng.random(n) < right, labels, (labels + rng.integers(1, K, n)) % K)

    p = np.full((n, K), (1 - model) / (K - 1))
    p[np.arange(n), answers(model)] = model
    return labels, p, answers(machine)


def slow_likelihood(rows: list[tuple[int, int, float]], answer: int, n_classes: int) -> list[float]:
    """Count anew, and return the log probability of the answer for each class."""
    if answer == ABSTAINED:
        return [0.0] * n_classes
    told = [row for row in rows if row[1] != ABSTAINED]
    right = sum(weight for label, said, weight in told if label == said)
    coin = (right + 2 / n_classes) / (sum(weight for *_, weight in told) + 2)
    logs = []
    for true in range(n_classes):
        of_class = [(said, weight) for label, said, weight in told if label == true]
        prior = coin if true == answer else (1 - coin) / (n_classes - 1)
        cell = sum(weight for said, weight in of_class if said == answer)
        logs.append(math.log((cell + 4 * prior) / (sum(weight for _, weight in of_class) + 4)))
    return logs


@settings(max_examples=examples(100), deadline=None)
@given(answers_of)
def test_confusions_are_counted_without_the_item_that_they_explain(rows):
    labels, answers, weights = (np.array(column) for column in zip(*rows, strict=True))
    confusion = Confusion.of(labels, answers, weights, K)
    held_out = [slow_likelihood(rows[:i] + rows[i + 1 :], row[1], K) for i, row in enumerate(rows)]
    assert confusion.held_out(labels, answers, weights) == pytest.approx(np.array(held_out), abs=1e-9)
    counted = [slow_likelihood(rows, row[1], K) for row in rows]
    assert confusion.likelihoods(answers) == pytest.approx(np.array(counted), abs=1e-9)


def test_the_powers_are_those_of_a_slow_search():
    labels, p, answers = simulated(3, 60, model=0.6, machine=0.8)
    rows = [(int(label), int(answer), 1.0) for label, answer in zip(labels, answers, strict=True)]
    doubted = [[(1 - 8 / 68) * x + 8 / 68 / K for x in row] for row in p.tolist()]
    held_out = [slow_likelihood(rows[:i] + rows[i + 1 :], row[1], K) for i, row in enumerate(rows)]

    def log_likelihood(w: float, v: float) -> float:
        total = 0.0
        for label, model, machine in zip(labels, doubted, held_out, strict=True):
            scores = [w * math.log(m) + v * said for m, said in zip(model, machine, strict=True)]
            total += scores[label] - math.log(sum(math.exp(score) for score in scores))
        return total

    def searched(cost, start):
        return minimize(cost, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10}).x

    w, v = searched(lambda x: -log_likelihood(*x) + (x[0] - 1) ** 2 + (x[1] - 1) ** 2 / 2, [1, 1])
    (alone,) = searched(lambda x: -log_likelihood(x[0], 0) + (x[0] - 1) ** 2, [1])
    gain = log_likelihood(w, v) - log_likelihood(alone, 0)
    found = fit(p, [answers], labels)
    assert gain > 6
    assert found.gain == pytest.approx(gain, abs=1e-3)
    kept = 1 - 6 / gain
    assert found.pieces[0].power == pytest.approx(kept * v, abs=1e-3)
    assert found.power == pytest.approx(1 + kept * (w - 1), abs=1e-3)


def test_a_good_machine_adds_accuracy_and_a_useless_one_changes_nothing():
    for seed in range(10):
        for right in (0.85, 1 / K):
            labels, p, answers = simulated(seed, 1040, model=0.6, machine=right)
            found = fit(p[:40], [answers[:40]], labels[:40])
            combined, new = found.combine(p[40:], [answers[40:]]), labels[40:]
            gained = (combined.argmax(axis=1) == new).mean() - (p[40:].argmax(axis=1) == new).mean()
            assert gained > 0.1 if right > 0.5 else np.array_equal(combined, p[40:]), (seed, right, gained)


def test_a_machine_that_lies_about_classes_is_read_by_its_lies():
    labels, p, answers = simulated(1, 600, model=0.6, machine=0.99)
    lies = np.where(answers == 0, 1, np.where(answers == 1, 0, answers))
    found = fit(p[:200], [lies[:200]], labels[:200])
    assert (found.combine(p[200:], [lies[200:]]).argmax(axis=1) == labels[200:]).mean() > 0.95


@settings(max_examples=examples(100), deadline=None)
@given(seed=st.integers(0, 1000), right=st.floats(0.3, 1), order=st.permutations(range(K)))
def test_names_of_classes_and_the_scale_of_weights_do_not_matter(seed, right, order):
    labels, p, answers = simulated(seed, 50, model=0.6, machine=right)
    plain = fit(p, [answers], labels).combine(p, [answers])
    order = np.array(order)
    renamed = p[:, np.argsort(order)]
    found = fit(renamed, [order[answers]], order[labels], weights=np.full(50, 7.0))
    assert found.n == pytest.approx(50)
    assert found.combine(renamed, [order[answers]])[:, order] == pytest.approx(plain, abs=1e-4)


@settings(max_examples=examples(100), deadline=None)
@given(seed=st.integers(0, 1000), right=st.floats(0.3, 1))
def test_a_copy_of_a_machine_adds_nothing(seed, right):
    labels, p, answers = simulated(seed, 60, model=0.6, machine=right)
    alone, twice = fit(p, [answers], labels), fit(p, [answers, answers], labels)
    assert len(twice.pieces) == len(alone.pieces)
    assert np.array_equal(twice.combine(p, [answers, answers]), alone.combine(p, [answers]))


def test_two_machines_that_err_alone_count_both_and_more():
    labels, p, first = simulated(5, 2100, model=0.5, machine=0.8)
    second = simulated(6, 2100, model=0.5, machine=0.8)[2]
    second = np.where(np.random.default_rng(7).random(2100) < 0.8, labels, second)
    new = slice(100, None)
    alone, both = fit(p[:100], [first[:100]], labels[:100]), fit(p[:100], [first[:100], second[:100]], labels[:100])
    right = (both.combine(p[new], [first[new], second[new]]).argmax(axis=1) == labels[new]).mean()
    assert {piece.machine for piece in both.pieces} == {0, 1}
    assert right > (alone.combine(p[new], [first[new]]).argmax(axis=1) == labels[new]).mean() + 0.03


def test_an_abstention_is_no_evidence():
    labels, p, answers = simulated(2, 200, model=0.6, machine=0.9)
    refused = np.arange(200) % 2 == 0
    found = fit(p, [np.where(refused, ABSTAINED, answers)], labels)
    combined = found.combine(p, [np.where(refused, ABSTAINED, answers)])
    assert np.array_equal(combined[refused].argmax(axis=1), p[refused].argmax(axis=1))
    assert (combined.argmax(axis=1) == labels)[~refused].mean() > (p.argmax(axis=1) == labels)[~refused].mean() + 0.1
    nothing = np.full(200, ABSTAINED)
    assert np.array_equal(fit(p, [nothing], labels).combine(p, [nothing]), p)


def test_probabilities_count_as_far_as_they_are_true():
    """The answers of both machines are right equally often; only one of them knows when."""
    rng = np.random.default_rng(4)
    labels, p, answers = simulated(4, 1400, model=0.6, machine=0.75)
    sure = np.where(answers == labels, rng.random(1400) < 0.9, rng.random(1400) < 0.1)
    knows, boasts = np.full((2, 1400, K), np.nan)
    for told, best in ((knows, np.where(sure, 0.97, 0.4)), (boasts, np.full(1400, 0.97))):
        told[:] = ((1 - best) / (K - 1))[:, None]
        told[np.arange(1400), answers] = best
    boasts[0] = np.nan  # an abstention
    right = {}
    for name, each in (("classes", answers), ("knows", knows), ("boasts", boasts)):
        found = fit(p[:400], [each[:400]], labels[:400])
        right[name] = (found.combine(p[400:], [each[400:]]).argmax(axis=1) == labels[400:]).mean()
    assert right["knows"] > right["classes"] + 0.03
    assert right["boasts"] > right["classes"] - 0.01


def test_weights_undo_the_selection_of_hard_items():
    """The machine is right on 95 % of the pool, but on half of the hard tenth, which is half of the labels."""
    rng = np.random.default_rng(8)
    hard = rng.random(4000) < 0.5  # a tenth of the pool
    labels = rng.integers(0, K, 4000)
    right = rng.random(4000) < np.where(hard, 0.5, 1)
    weights = np.where(hard, 0.1, 0.9)
    answers = np.where(right, labels, (labels + 1) % K)
    p = np.full((4000, K), 1 / K)
    weighted = fit(p, [answers], labels, weights=weights)
    assert fit(p, [answers], labels).pieces[0].confusion.accuracy == pytest.approx(0.75, abs=0.02)
    assert weighted.pieces[0].confusion.accuracy == pytest.approx(0.95, abs=0.01)
    assert weighted.n == pytest.approx(4000 / 1.64, rel=0.02)


def test_what_does_not_fit_is_refused():
    labels, p, answers = simulated(0, 10, model=0.6, machine=0.9)
    for message, arguments, weights in (
        ("answers are", (p, [answers[:9]], labels), None),
        ("answers lie in", (p, [answers + K], labels), None),
        ("answers lie in", (p, [answers - 2], labels), None),
        ("probabilities lie", (p, [p + 1], labels), None),
        ("labels are", (p, [answers], labels[:9]), None),
        ("labels are", (p, [answers], labels + K), None),
        ("one class", (p[:, :1], [answers], labels), None),
        ("weights are", (p, [answers], labels), np.zeros(10)),
        ("weights are", (p, [answers], labels), np.ones(9)),
    ):
        with pytest.raises(ValueError, match=message):
            fit(*arguments, weights=weights)
    nothing = np.zeros(0, np.int64)
    assert not fit(np.zeros((0, K)), [nothing], nothing).pieces


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.booleans(), max_size=40))
def test_the_last_change_is_that_of_a_slow_search(right):
    def likelihood(part: list[bool]) -> float:
        share = sum(part) / len(part)
        return sum(math.log(share if each else 1 - share) for each in part)

    start = 0
    while splits := [
        (likelihood(right[start:at]) + likelihood(right[at:]) - likelihood(right[start:]), -at)
        for at in range(start + 1, len(right))
    ]:
        gain, place = max(splits)
        if gain < 6:
            break
        start = -place
    assert last_change(np.array(right, bool)) == start


def test_a_drift_is_noticed_and_a_steady_machine_rarely_accused():
    rng = np.random.default_rng(0)
    assert 50 <= last_change(np.concatenate([rng.random(60) < 0.95, rng.random(60) < 0.4])) <= 70
    assert sum(last_change(rng.random(100) < 0.8) > 0 for _ in range(300)) <= 9
