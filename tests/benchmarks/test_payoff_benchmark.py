"""Test that the payoff benchmark runs on user's arrays, and refuses invalid ones in one line."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks import payoff
from models_store.config import TrainConfig


def arrays(folder: Path, n: int = 400) -> list[str]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, n)
    np.save(folder / "x.npy", (rng.normal(size=(4, 6))[labels] + rng.normal(size=(n, 6))).astype(np.float32))
    np.save(folder / "y.npy", labels)
    return ["--vectors", str(folder / "x.npy"), "--labels", str(folder / "y.npy")]


@pytest.mark.long
def test_it_tells_how_often_intervals_held(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payoff, "TrainConfig", partial(TrainConfig, min_steps=10, epochs=2))
    monkeypatch.setattr(payoff, "REPEATS", 1)
    command = [*arrays(tmp_path), "--seeds", "1", "--rounds", "3", "--batch", "40", "--json"]
    assert payoff.main(command) == 0
    found = json.loads(capsys.readouterr().out)["x"]
    assert found["estimates"] == 1
    assert all(0 <= found[name] <= 1 for name in ("needed_held", "gain_held", "no_upper_end"))
    assert payoff._needed(0.5, (np.array([10, 1000]), np.array([0.4, 0.6])), 5000) == pytest.approx(100)
