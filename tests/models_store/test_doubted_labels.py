"""Test the search for label errors: sets by their worst class, scores by their distance."""

import numpy as np
import pytest

from models_store.label_errors import label_errors, score_errors, set_errors


def test_what_cannot_be_told_is_left_out() -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1, 2], [60, 60, 2])
    sure = np.full((122, 3), 0.05)
    sure[np.arange(122), labels] = 0.9
    assert not len(label_errors(labels, sure, least=5).places)
    sure[[7, 80, 121]] = [[0.04, 0.95, 0.01], [0.9, 0.05, 0.05], [0.98, 0.01, 0.01]]
    found = label_errors(labels, sure, least=5)
    assert set(found.places.tolist()) == {7, 80}, "the class of two labels is left out"
    assert found.likely.tolist() == [1 - labels[place] for place in found.places]
    assert (np.diff(found.quality) >= 0).all()
    assert not len(label_errors(np.empty(0, np.int64), np.empty((0, 3)), least=5).places)
    assert not len(label_errors(np.zeros(50, np.int64), rng.random((50, 3)), least=5).places)


def test_a_set_is_as_good_as_its_worst_class() -> None:
    """Each of 400 items has each of four classes or not; 40 labels have one class flipped."""
    rng = np.random.default_rng(5)
    truth = rng.random((400, 4)) < 0.4
    p = np.clip(np.where(truth, 0.9, 0.1) + rng.normal(0, 0.05, truth.shape), 0.01, 0.99)
    labels, wrong, turned = truth.copy(), rng.choice(400, 40, replace=False), rng.integers(4, size=40)
    labels[wrong, turned] ^= True
    doubts = set_errors(labels, p, least=10)
    assert len(doubts.places) >= 30
    assert set(doubts.places[:30].tolist()) <= set(wrong.tolist())
    was_turned = dict(zip(wrong.tolist(), turned.tolist(), strict=True))
    pairs = zip(doubts.places[:30].tolist(), doubts.likely[:30].tolist(), strict=True)
    assert all(was_turned[item] == index for item, index in pairs)
    assert (np.diff(doubts.quality) >= 0).all()
    rare = np.arange(60)[:, None] < 3
    assert not len(set_errors(rare, np.full((60, 1), 0.01), least=5).places), "a class of three labels is left out"
    assert not len(set_errors(np.empty((0, 4), bool), np.empty((0, 4)), least=5).places)


def test_the_next_point_of_a_scale_is_no_error() -> None:
    """Models predict the third of five points, and give its neighbours some probability."""
    doubts = score_errors(np.arange(5), np.tile([0.03, 0.2, 0.54, 0.2, 0.03], (5, 1)))
    assert doubts.places.tolist() == [0, 4]
    assert doubts.likely.tolist() == [2, 2]
    assert doubts.quality == pytest.approx([0.23, 0.23])
    # Of three points each is another answer.
    assert score_errors(np.array([0, 1]), np.array([[0.1, 0.7, 0.2]] * 2)).places.tolist() == [0]
