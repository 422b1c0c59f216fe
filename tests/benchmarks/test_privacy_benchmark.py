"""Test the output and errors of `python -m benchmarks.privacy`, and that its epsilon can be recomputed from the
output.
"""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from benchmarks.privacy import __main__ as command
from benchmarks.privacy import runs
from benchmarks.privacy.attack import attack, most_advantage
from models_store.config import TrainConfig
from models_store.privacy.accounting import Phase
from models_store.privacy.config import PrivacyConfig
from models_store.privacy.planned import epsilon
from models_store.training import train

LOSSES = st.lists(st.integers(0, 5).map(float), min_size=4, max_size=30).map(np.array)


def test_a_small_run_says_all_that_is_needed_to_check_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runs, "PrivacyConfig", partial(PrivacyConfig, steps=60))
    monkeypatch.setattr(runs, "OVERFIT", replace(runs.OVERFIT, max_steps=300))
    usual = TrainConfig(min_steps=100, epochs=10, calibration_labels=0)
    monkeypatch.setattr(
        runs,
        "train",
        lambda given, recipe: train(given, replace(recipe, config=usual) if recipe.config == TrainConfig() else recipe),
    )
    features, labels = load_digits(return_X_y=True)
    np.save(tmp_path / "digits.npy", features)
    np.save(tmp_path / "y.npy", labels)
    asked = ["--vectors", str(tmp_path / "digits.npy"), "--labels", str(tmp_path / "y.npy")]
    assert command.main([*asked, "--epsilon", "3,5.36", "--pool", "400", "--processes", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    told = result["data"]["digits"]
    assert [(row["arm"], row["epsilon"]) for row in told["private"]] == [
        (arm, target) for arm in ("mega", "usual") for target in (3.0, 5.36)
    ]
    assert told["verdict"]["share_at_target"] == told["private"][1]["share_of_none"] > 0.6
    assert told["attack"][0]["overfit"]["auc"] > told["attack"][0]["private"]["auc"] - 0.05
    for line in result["runs"]:
        if line["arm"] == "none":
            continue
        privacy = line["privacy"]
        assert privacy["delta"] == pytest.approx(privacy["records"] ** -1.1)
        phases = [Phase(**phase) for phase in privacy["phases"]]
        assert epsilon(phases, privacy["delta"]) == pytest.approx(privacy["epsilon"])
        assert privacy["epsilon"] <= line["target_epsilon"]
        if line["arm"] != "attack":
            assert privacy["epsilon_prv"] == pytest.approx(privacy["epsilon"], rel=0.01)
            assert privacy["epsilon"] < privacy["epsilon_renyi"]


@given(LOSSES, LOSSES)
def test_the_area_under_the_curve_is_the_share_of_pairs_that_are_told_apart(members, others):
    pairs = members[:, None] - others[None, :]
    assert attack(members, others)["auc"] == pytest.approx(((pairs < 0) + 0.5 * (pairs == 0)).mean())


def test_an_attack_finds_what_is_there_and_nothing_else():
    rng = np.random.default_rng(0)
    easy = attack(rng.normal(0, 1, 1000), rng.normal(6, 1, 1000))
    assert easy["auc"] > 0.99
    assert easy["advantage"] > 0.95
    blind = attack(rng.normal(0, 1, 1000), rng.normal(0, 1, 1000))
    assert abs(blind["auc"] - 0.5) < 0.05
    assert abs(blind["advantage"]) < 0.1


def test_what_epsilon_leaves_an_attacker():
    assert most_advantage(0, 0) == 0
    assert most_advantage(1, 1e-5) == pytest.approx(0.4621, abs=1e-3)
