"""Test the benchmark of finishing: its result, its people and its ways, on a pool that takes seconds."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import finish
from benchmarks.finishing.answers import OneClass, SeveralClasses, members, of_labels
from benchmarks.finishing.copies import Copies
from benchmarks.finishing.crowd import Crowd
from benchmarks.finishing.ways import two_agree
from benchmarks.seconds.people import GLANCE, missed
from selector.linkage import average_linkage

WAYS = {"finish", "one-by-one", "one-by-one-overlap", "grids", "threshold"}


def test_every_item_gets_a_label_and_each_way_has_its_figures(tmp_path, capsys):
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=300)
    np.save(tmp_path / "X.npy", (rng.normal(size=(3, 8))[truth] * 4 + rng.normal(size=(300, 8))).astype(np.float32))
    np.save(tmp_path / "y.npy", truth)
    arguments = ["--vectors", str(tmp_path / "X.npy"), "--labels", str(tmp_path / "y.npy"), "--seeds", "1"]
    assert finish.main([*arguments, "--targets", "0.05", "--processes", "1", "--quick", "--batch", "60", "--json"]) == 0
    pool = json.loads(capsys.readouterr().out)["pools"]["X"]
    assert set(pool) == WAYS
    figures = {way: pool[way]["0.05"] for way in WAYS}
    assert all(len(each["seconds_percent"]) == len(each["error_percent"]) == 1 for each in figures.values())
    assert figures["one-by-one"]["seconds_percent"] == [100]
    assert figures["one-by-one-overlap"]["seconds_percent"][0] > 200
    assert figures["one-by-one-overlap"]["error_percent"][0] < figures["one-by-one"]["error_percent"][0]
    assert figures["finish"]["error_percent"][0] <= 5
    assert figures["finish"]["seconds_percent"][0] < 60
    assert figures["finish"]["false_proofs"] == [0]


@pytest.mark.parametrize("extra", [[], ["--each-class"]])
def test_items_of_several_classes_get_labels_without_suggestions_and_grids(extra, tmp_path, capsys):
    rng = np.random.default_rng(0)
    truth = rng.random((300, 3)) < 0.4
    np.save(tmp_path / "X.npy", (truth @ rng.normal(size=(3, 8)) * 6 + rng.normal(size=(300, 8))).astype(np.float32))
    np.save(tmp_path / "y.npy", truth.astype(int))
    arguments = ["--vectors", str(tmp_path / "X.npy"), "--labels", str(tmp_path / "y.npy"), "--seeds", "1", *extra]
    arguments += ["--targets", "0.1", "--processes", "1", "--quick", "--batch", "60", "--json"]
    assert finish.main(arguments) == 0
    pool = json.loads(capsys.readouterr().out)["pools"]["X"]
    assert set(pool) == WAYS - {"grids"}
    figures = pool["finish"]["0.1"]
    assert figures["error_percent"][0] <= 10
    assert figures["seconds_percent"][0] < 90
    assert figures["certified_percent"][0] > 0
    assert figures["false_proofs"] == [0]


@given(st.lists(st.lists(st.sets(st.integers(0, 3)) | st.none(), min_size=2, max_size=2), min_size=1, max_size=6))
def test_each_class_has_the_answer_that_two_people_give_first(answers):
    kind = SeveralClasses(4)
    keys = [np.array([-1 if one is None else sum(1 << c for c in one) for one in person]) for person in answers]
    for item, label in enumerate(kind.agreed(keys)):
        given_to_it = [person[item] for person in answers if person[item] is not None]
        words = {c: Counter() for c in range(4)}
        agreed = {}
        for one in given_to_it:
            for c, counts in words.items():
                counts[c in one] += 1
                if counts[c in one] == 2:
                    agreed.setdefault(c, c in one)
        expected = sum(1 << c for c, word in agreed.items() if word) if len(agreed) == 4 else -1
        assert label == expected


def test_people_err_about_one_class_of_an_item():
    truth = np.random.default_rng(0).integers(1 << 5, size=20_000)
    kind, labels = of_labels(members(truth, 5), 5)
    assert (labels == truth).all()
    crowd = Crowd(truth, kind, seed=0, error=0.05)
    first = crowd.alone(np.arange(len(truth)))
    wrong = kind.wrong_about(first, truth)
    assert wrong.any(axis=1).mean() == pytest.approx(0.05, abs=0.005)
    assert wrong.sum(axis=1).max() == 1
    assert wrong.mean(axis=0) == pytest.approx(np.full(5, 0.01), abs=0.003)
    labels = two_agree(crowd, kind, np.arange(len(truth)), first)
    assert kind.wrong_about(labels, truth).any(axis=1).mean() < 0.003


def test_more_classes_than_a_key_has_bits_are_refused():
    with pytest.raises(ValueError, match="at most 62 classes, not 63"):
        of_labels(np.zeros((2, 63), bool), 63)


def test_near_copies_get_a_label_once_checks_agree():
    rng = np.random.default_rng(0)
    points = np.repeat(rng.normal(size=(400, 5)), 5, axis=0) + rng.normal(scale=1e-3, size=(2000, 5))
    truth = np.repeat(rng.integers(10, size=400), 5)
    crowd = Crowd(truth, OneClass(10), seed=0, error=0.001)
    copies = Copies(average_linkage(points), most=3, seed=0)
    labels = np.full(2000, -1)
    rows = np.arange(0, 2000, 5)
    labels[rows] = crowd.alone(rows)
    before = crowd.seconds
    copies.show(crowd, rows, labels < 0, None)
    assert len(copies.items) == 3 * len(rows)
    assert crowd.seconds - before >= GLANCE * len(copies.items)
    due = copies.due(labels)
    assert 0.08 * len(rows) <= len(due) <= 0.1 * len(rows)
    assert not len(copies.propagated(labels, copies.learn(labels)[0].trusted)[0]), "no check has an answer yet"
    labels[due] = crowd.alone(due)
    radius, wrong = copies.learn(labels)
    items, sources = copies.propagated(labels, radius.trusted)
    assert len(items) > 500
    assert (truth[items] == truth[sources]).all()
    assert 0 < wrong < 0.05


def test_a_project_measures_the_pace_and_errors_of_its_people():
    truth = np.zeros(6000, np.int64)
    truth[::10] = 1
    crowd = Crowd(truth, OneClass(2), seed=0, error=0.03)
    labels = crowd.in_grids(np.arange(6000), np.zeros(6000, np.int64))
    errors = crowd.errors(np.full(1, 0.9))
    assert errors.missed == pytest.approx([missed(0.1)])
    marked = 0.1 * (1 - errors.missed[0]) + 0.9 * errors.slips
    pace = crowd.pace()
    assert crowd.seconds / 6000 == pytest.approx(pace.cell + marked * (pace.mark + pace.alone), rel=0.1)
    assert (labels != truth).mean() == pytest.approx(0.1 * errors.missed[0] + marked * 0.03, abs=0.01)
