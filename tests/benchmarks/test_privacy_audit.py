"""Test the audit of private training: its bound, the mistakes that it finds, and its output."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from benchmarks.privacy import __main__ as command
from benchmarks.privacy import audit, report
from benchmarks.privacy.audit import Audit, canaries, known, lower_bound, p_value, right_guesses


def slow_p_value(canaries: int, guesses: int, right: int, odds: Fraction, delta: Fraction) -> Fraction:
    """Compute corollary 5.4 with fractions, for e^ε = `odds`, over all i up to the number of canaries."""
    q = odds / (1 + odds)

    def at_least(v: int) -> Fraction:
        chosen = range(max(v, 0), guesses + 1)
        return sum((math.comb(guesses, k) * q**k * (1 - q) ** (guesses - k) for k in chosen), Fraction(0))

    slack = max((at_least(right - i) - at_least(right)) / i for i in range(1, canaries + 1))
    return min(Fraction(1), at_least(right) + 2 * canaries * delta * slack)


@pytest.mark.parametrize("odds", [1, 3, 50])
@pytest.mark.parametrize(
    ("canaries", "guesses", "right"), [(1, 1, 1), (7, 5, 0), (20, 12, 9), (30, 30, 30), (40, 8, 7)]
)
def test_the_p_value_is_that_of_the_paper_in_exact_fractions(
    canaries: int, guesses: int, right: int, odds: int
) -> None:
    for delta in (Fraction(0), Fraction(1, 1000)):
        exact = slow_p_value(canaries, guesses, right, Fraction(odds), delta)
        here = p_value(canaries, guesses, right, math.log(odds), float(delta))
        assert here == pytest.approx(float(exact), rel=1e-9)


def test_the_figures_that_the_paper_prints() -> None:
    # Appendix D: 75 of 100 guesses are right.
    assert p_value(100, 100, 75, math.log(3), 0.0) == pytest.approx(0.553, abs=5e-4)
    assert lower_bound(100, 100, 75, 0.0) == pytest.approx(0.702, abs=5e-4)
    assert lower_bound(100, 100, 75, 1e-4) == pytest.approx(0.699, abs=5e-4)


@pytest.mark.parametrize("epsilon", [0.0, 0.5, 2.0, 4.0])
@pytest.mark.parametrize("guesses", [10, 57, 200])
def test_of_randomised_answers_the_bound_is_too_large_one_time_in_twenty_at_most(epsilon: float, guesses: int) -> None:
    """Each coin is told, and turned over with a probability of 1 / (1 + e^ε): no mechanism of this ε tells more."""
    chances = stats.binom.pmf(np.arange(guesses + 1), guesses, 1 / (1 + math.exp(-epsilon)))
    bounds = np.array([lower_bound(guesses, guesses, right, 0.0) for right in range(guesses + 1)])
    assert chances[bounds > epsilon + 1e-6].sum() <= 0.05
    assert bounds[-1] > epsilon or guesses < 60, "it would show a larger one"


def test_canaries_are_at_right_angles_and_their_coins_are_guessed_at_both_ends() -> None:
    features = canaries(20, np.random.default_rng(0))
    assert features.shape == (20, 32)
    np.testing.assert_array_equal(features @ features.T, 32 * np.eye(20))
    members = np.array([True, True, False, True, False, False])
    assert right_guesses(np.array([5.0, 4.0, 0.0, 1.0, 2.0, 3.0]), members, 4) == 3


def test_a_canary_is_known_by_its_class_alone() -> None:
    logits = np.zeros((6, 3)) + [5.0, 0.0, 0.0] + np.arange(6)[:, None]
    assert known(logits, np.array([0, 1, 2, 0, 1, 2])) == pytest.approx(np.zeros(6))
    logits[3, 0] += 1
    assert known(logits, np.array([0, 1, 2, 0, 1, 2])).argmax() == 3


def test_a_training_keeps_what_it_states_and_a_training_with_a_mistake_is_found() -> None:
    kept = audit.run(Audit(audit.RARE, 1.0, canaries=500, seed=0))
    assert 0.95 < kept["epsilon"] <= 1.0
    assert not kept["refuted"]
    for mistake in ("no noise", "all records every step"):
        line = audit.run(Audit(mistake, 1.0, canaries=500, seed=0))
        assert line["epsilon"] == kept["epsilon"], "it states the same"
        assert line["refuted"]


def test_a_pretraining_keeps_what_it_states_and_one_without_noise_is_found() -> None:
    kept = audit.run(Audit(audit.RARE, 1.0, canaries=300, seed=0, part="texts"))
    assert 0.95 < kept["epsilon"] <= 1.0
    assert not kept["refuted"]
    assert audit.run(Audit("no noise", 1.0, canaries=300, seed=0, part="texts"))["refuted"]


@pytest.mark.parametrize("layers", ["lora", "all"])
def test_fine_tuning_keeps_what_it_states_and_each_mistake_is_found(layers: str) -> None:
    kept = audit.run(Audit(audit.RARE, 1.0, canaries=300, seed=0, part=layers))
    assert 0.95 < kept["epsilon"] <= 1.0
    assert not kept["refuted"]
    for mistake in audit.FAULTS:
        assert audit.run(Audit(mistake, 1.0, canaries=300, seed=0, part=layers))["refuted"]


@pytest.mark.long
@pytest.mark.parametrize("mistake", audit.FAULTS)
def test_each_mistake_of_a_pretraining_is_found(mistake: str) -> None:
    assert audit.run(Audit(mistake, 1.0, canaries=500, seed=0, part="texts"))["refuted"]


@pytest.mark.long
def test_the_command_prints_a_table_or_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--audit", "--quick", "--epsilon", "8", "--processes", "1"]
    assert command.main([*asked, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["holds"]
    assert result["mistakes_found"]
    assert [(line["training"], line["part"]) for line in result["audits"]] == [
        *((audit.USUAL, part) for part in audit.PARTS),
        *((training, part) for part in audit.PARTS for training in (audit.RARE, *audit.FAULTS)),
    ]
    for line in result["audits"]:
        assert line["canaries"] == 500
        assert line["guesses"] == 100
        assert line["lower_bound"] == pytest.approx(lower_bound(500, 100, line["right"], line["delta"]))
        assert line["refuted"] == (line["lower_bound"] > line["epsilon"])
    table = report.table_of_audits(result)
    assert "500 canaries" in table
    assert table.count("found\n") == len(audit.PARTS) * len(audit.FAULTS)
    assert "no stated ε refuted: yes; mistakes found: yes" in table


def test_a_refuted_epsilon_gives_the_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bound = 3.0

    def line(each: Audit) -> dict[str, object]:
        return {
            "training": each.training, "part": each.part, "epsilon": each.epsilon, "delta": 1e-5,
            "canaries": each.canaries, "guesses": 100, "right": 97, "confidence": 0.95, "lower_bound": bound,
            "refuted": bound > each.epsilon, "seconds": 0.0,
        }  # fmt: skip

    monkeypatch.setattr(audit, "run", line)
    assert command.main(["--audit", "--epsilon", "1,8", "--processes", "1"]) == 1
    told = capsys.readouterr().out
    assert "above the stated ε" in told
    assert "no stated ε refuted: no; mistakes found: yes" in told
