"""Test the output and errors of `python -m benchmarks.human_seconds`, and its simulated people."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import human_seconds
from benchmarks.seconds import projects, report
from benchmarks.seconds.people import GLANCE, H, K, M, P, People, missed
from benchmarks.seconds.ways import WAYS, NearCopies
from models_store.config import TrainConfig
from selector.linkage import average_linkage
from selector.radius import Radius


def arrays(folder: Path, n: int = 300) -> list[str]:
    """Return four classes, with each item three times."""
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.integers(0, 4, n // 3), 3)
    vectors = np.repeat(rng.normal(size=(n // 3, 6)), 3, axis=0) + rng.normal(size=(4, 6))[labels]
    np.save(folder / "x.npy", (vectors + rng.normal(0, 0.01, vectors.shape)).astype(np.float32))
    np.save(folder / "y.npy", labels)
    return ["--vectors", str(folder / "x.npy"), "--labels", str(folder / "y.npy")]


def test_a_small_run_says_all_that_is_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(projects, "CONFIG", TrainConfig(min_steps=20, epochs=4, calibration_labels=0))
    monkeypatch.setattr(report, "RESAMPLES", 20)
    command = [*arrays(tmp_path), "--seeds", "2", "--rounds", "2", "--batch", "20", "--processes", "1"]
    assert human_seconds.main([*command, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    pool = result["pools"]["x"]
    assert pool["ways"].keys() == WAYS.keys()
    assert pool["aims_met"].keys() == WAYS.keys() - {"uniform", "one by one"}
    alone = pool["ways"]["one by one"]
    assert alone["seconds_in_all"] == pytest.approx(60 * (M + 0.15 * 2 + K))
    assert alone["share_of_one_by_one"]["value"] in (1.0, None)
    assert 0 <= alone["label_error"]["value"] <= 1
    assert pool["ways"]["near-copies"]["seconds_in_all"] > alone["seconds_in_all"]
    result["pools"]["x"]["ways"]["grids"]["seconds"]["value"] = None
    assert "not reached" in report.table(result)


def test_ways_of_asking_take_the_time_of_their_operators() -> None:
    people = People(np.zeros(100, np.int64), 4, seed=0, error=0.0)
    rows = np.arange(10)
    assert people.one_by_one(rows).seconds == pytest.approx(10 * (M + 0.3 + K))
    assert people.suggested(rows, np.zeros(10, np.int64)).seconds == pytest.approx(10 * (M + 0.15 + K))
    assert people.in_a_grid(rows, 0).seconds == pytest.approx(M + 10 * GLANCE + K)
    stands, seconds = people.copies(rows, rows + 10)
    assert stands.all()
    assert seconds == pytest.approx(10 * GLANCE)
    truth = np.zeros(100, np.int64)
    truth[50] = 1
    spotted = next(seed for seed in range(20) if not People(truth, 4, seed, 0.0).copies(rows[:1], np.array([50]))[0])
    assert People(truth, 4, spotted, 0.0).copies(rows[:1], np.array([50]))[1] == pytest.approx(GLANCE + P + K + 2 * H)


def test_errors_are_as_frequent_as_the_studies_say() -> None:
    n = 40_000
    rows, truth = np.arange(n), np.arange(n) % 10
    people = People(truth, 10, seed=0, error=0.03)
    assert (people.alone != truth).mean() == pytest.approx(0.03, abs=0.005)
    wrong_guess = (truth + 1) % 10
    taken = people.suggested(rows, wrong_guess).labels == wrong_guess
    assert taken.mean() == pytest.approx(0.17 + 0.83 * 0.03 / 9, abs=0.01)
    left, _ = people.copies(np.zeros(n, np.int64), rows)
    assert left[truth != truth[0]].mean() == pytest.approx(missed(0.9), abs=0.01)


def test_labels_of_copies_are_propagated_within_the_trusted_radius_alone() -> None:
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.normal(size=(40, 5)), 3, axis=0) + rng.normal(0, 0.001, (120, 5))
    truth = np.repeat(np.arange(40) % 4, 3)
    way = NearCopies(People(truth, 4, seed=0, error=0.0), average_linkage(vectors), seed=0)
    labels = np.full(120, -1)
    rows = np.arange(0, 60, 3)
    way.ask(1, rows, truth[rows], labels)
    assert len(way.learned(labels).rows) == len(rows), "without checks nothing is trusted"
    assert way.checked.sum() == 2
    way.ask(2, np.arange(60, 90, 3), truth[60:90:3], labels)
    assert (labels[way.items[way.checked][:2]] >= 0).all(), "checks are asked about with the next batch"
    way.radius = Radius(trusted=1e-3, reach=1e-3)
    learned = way.learned(labels)
    assert len(learned.rows) > (labels >= 0).sum()
    assert (learned.labels == truth[learned.rows]).all()
    assert learned.propagated is not None
    assert set(learned.propagated.weights) == {0.5, 1.0}
