"""Test the output and the error messages of `python -m benchmarks.calibration`."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import calibration
from models_store.config import TrainConfig


@pytest.fixture
def arrays(tmp_path: Path) -> list[str]:
    """Return three overlapping classes with some wrong labels, which make models overconfident."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, 1400)
    np.save(tmp_path / "x.npy", rng.normal(size=(1400, 6)) + 1.5 * np.eye(3, 6)[classes])
    np.save(tmp_path / "y.npy", np.array(["a", "b", "c"])[classes])
    return ["--vectors", str(tmp_path / "x.npy"), "--labels", str(tmp_path / "y.npy"), "--processes", "1"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the recipes' trainings."""
    short = {"min_steps": 20, "epochs": 3}
    monkeypatch.setattr(calibration, "DEFAULT", replace(calibration.DEFAULT, **short))
    monkeypatch.setattr(calibration, "PLAIN", replace(calibration.PLAIN, **short))
    recipes = {name: replace(config, **short) for name, config in calibration.RECIPES.items()}
    monkeypatch.setattr(calibration, "RECIPES", recipes)


@pytest.mark.usefixtures("quick")
def test_a_small_run_says_all_that_is_documented_as_one_json_object(
    arrays: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibration.main([*arrays, "--test-share", "0.25", "--seeds", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result.keys() == {"machine", "level", "recipes", "picked", "data", "seconds"}
    data = result["data"]["x"]
    assert (data["labels"], data["held_back"], data["tests"], data["classes"]) == (1050, 105, 350, 3)
    assert data["recipes"].keys() == {"cross-entropy", "temperature", "soft", "default"}
    told = data["recipes"]["default"]
    assert told.keys() == {
        "accuracy", "ece", "ece_equal_width", "brier", "nll", "calibrated_on", "calibration", "seconds", "against"
    }  # fmt: skip
    assert len(told["ece"]["seeds"]) == 2
    plain, cooled = (data["recipes"][name] for name in ("cross-entropy", "temperature"))
    assert plain["calibration"] == [None, None]
    assert plain["accuracy"]["seeds"] == cooled["accuracy"]["seeds"], "a temperature changes no answer"
    assert told["against"]["cross-entropy"]["ece_cut"] == pytest.approx(
        1 - told["ece"]["value"] / plain["ece"]["value"]
    )
    assert calibration._table(result).count("\n") > 6
    assert [data["recipes"][name]["calibrated_on"] for name in data["recipes"]] == [0, 105, 0, 945]


@pytest.mark.usefixtures("quick")
def test_of_picked_labels_a_tenth_is_drawn_at_random(tmp_path: Path, arrays: list[str]) -> None:
    source = calibration.Source("x", vectors=Path(arrays[1]), labels=Path(arrays[3]))
    data = source.load(0)
    rows, drawn = calibration._labeled(calibration.Work(source, "default", 0, 200, picked=True), data)
    assert (len(rows), len(drawn)) == (200, 20)
    assert {*drawn} < {*rows}
    assert len(set(rows)) == 200
    same, all_of_them = calibration._labeled(calibration.Work(source, "default", 0, 200, picked=False), data)
    assert sorted(all_of_them) == list(same)


def test_the_default_is_the_products_and_the_baseline_differs_from_it_in_calibration_alone() -> None:
    assert calibration.RECIPES["default"] == TrainConfig()
    plain = replace(TrainConfig(), secondary="none", temperature="none", calibration_labels=0)
    assert calibration.RECIPES["cross-entropy"] == plain
