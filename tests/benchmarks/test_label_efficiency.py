"""Test the output and errors of `python -m benchmarks.label_efficiency`, and that it resumes."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks import label_efficiency
from benchmarks.efficiency import compare, loop
from benchmarks.efficiency.datasets import DataError, Source
from labeling.models import Project
from labeling.steps import select
from models_store.config import TrainConfig

SMALL = ["--data", "digits", "--pool", "200", "--batch", "20", "--rounds", "2", "--seeds", "2", "--processes", "1"]


def test_a_small_run_says_all_that_is_documented_and_a_second_one_takes_it_up(tmp_path, monkeypatch, capsys):
    short = TrainConfig(min_steps=40, epochs=10, calibration_labels=0)
    monkeypatch.setattr(loop, "Recipe", partial(loop.Recipe, config=short))
    monkeypatch.setattr(compare, "RESAMPLES", 100)
    strategies = "margin,cluster-margin,cluster-margin-labels,cluster-margin-mixed"
    command = [*SMALL, "--strategies", strategies, "--json", "--out", str(tmp_path)]
    assert label_efficiency.main(command) == 0
    result = json.loads(capsys.readouterr().out)
    assert result.keys() == {"machine", "level", "data", "seconds"}
    digits = result["data"]["digits"]
    assert digits["labels"] == [20, 40, 60]
    assert digits["pool"] == 200
    assert digits["seeds"] == [0, 1]
    assert 0.3 < digits["target_accuracy"] < 1
    assert Path(digits["figure"]).read_text().startswith("<?xml")
    assert digits["strategies"].keys() == {"uniform", *strategies.split(",")}
    told = digits["strategies"]["cluster-margin"]
    assert told.keys() == {
        "accuracy", "labels_to_target", "share_of_uniform", "share_of_margin", "against", "seconds"
    }  # fmt: skip
    assert len(told["accuracy"]) == 3
    first = {name: facts["accuracy"][0] for name, facts in digits["strategies"].items()}
    assert first["cluster-margin-labels"] == first["uniform"], "the first batch is shared"
    assert first["cluster-margin"] == first["margin"], "and so is the model that learned the pool, too"
    assert told["against"].keys() == {"uniform", "margin"}
    assert told["against"]["margin"].keys() == {
        "mean_difference", "differences", "p_worse", "p_better", "worse_at", "better_at", "significantly_worse"
    }  # fmt: skip

    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    assert len(written) == 10
    kept = sorted(written)[1:]
    sorted(written)[0].unlink()
    assert label_efficiency.main(command) == 0
    again = json.loads(capsys.readouterr().out)["data"]["digits"]["strategies"]
    assert again.keys() == digits["strategies"].keys()
    assert [path.stat().st_mtime_ns for path in kept] == [written[path] for path in kept], "only what lacked was run"
    assert sorted(written)[0].exists()
    assert all(again[name]["accuracy"] == told["accuracy"] for name, told in digits["strategies"].items())


@pytest.mark.parametrize(
    ("vectors", "labels", "said"),
    [
        (np.zeros(4), np.arange(4), r"expected \(n, d\) numbers"),
        (np.zeros((4, 2)), np.arange(3), "expected 4 whole numbers or texts"),
        (np.zeros((4, 2)), np.zeros((4, 1), int), "expected 4 whole numbers or texts"),
        (np.full((4, 2), np.nan), np.arange(4), "not finite"),
        (np.zeros((4, 2)), np.zeros(4, int), "all items are of one class"),
        (np.array([["a", "b"]] * 4), np.arange(4), r"expected \(n, d\) numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(vectors, labels, said, tmp_path):
    np.save(tmp_path / "X.npy", vectors)
    np.save(tmp_path / "y.npy", labels)
    with pytest.raises(DataError, match=said):
        Source("X", vectors=tmp_path / "X.npy", labels=tmp_path / "y.npy").load(0)


def test_wrong_answers_and_broken_items_are_the_pools_alone():
    whole = Source("digits").load(0)
    wrong, broken = Source("digits", wrong_answers=0.2).load(0), Source("digits", broken_items=0.2).load(0)
    assert (wrong.labels != whole.labels).mean() == pytest.approx(0.2, abs=0.04)
    assert (wrong.features == whole.features).all()
    changed = (broken.features != whole.features).any(axis=1)
    assert changed.mean() == pytest.approx(0.2, abs=0.04)
    assert (broken.labels != whole.labels)[changed].mean() == pytest.approx(0.9, abs=0.06)
    assert (broken.labels == whole.labels)[~changed].all()
    for noisy in (wrong, broken):
        assert (noisy.test_features == whole.test_features).all()
        assert (noisy.test_labels == whole.test_labels).all()


@pytest.mark.long
def test_arrays_are_split_anew_for_each_seed_and_classes_may_be_texts(tmp_path):
    np.save(tmp_path / "X.npy", np.arange(40.0).reshape(20, 2))
    np.save(tmp_path / "y.npy", np.array(["cat", "dog"] * 10))
    source = Source("X", vectors=tmp_path / "X.npy", labels=tmp_path / "y.npy", test_share=0.25)
    one, same, other = source.load(0), source.load(0), source.load(1)
    assert one.n_classes == 2
    assert one.features.shape == (15, 2)
    assert one.test_features.shape == (5, 2)
    assert not set(one.features[:, 0]) & set(one.test_features[:, 0])
    assert one.digest == same.digest != other.digest


def test_defaults_are_those_of_a_new_project():
    project = Project()
    assert project.candidate_factor == label_efficiency.CANDIDATE_FACTOR
    assert project.mean_cluster_size == label_efficiency.MEAN_CLUSTER_SIZE
    assert (loop.COVERING_SHARE, loop.MOST) == (select.COVERING_SHARE, select.MOST_COVERING)
    assert project.training == {}
