"""Test the windows of a pre-training: one of each drawn unit, and the pieces hidden in it."""

import numpy as np
import pytest
from extent import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from language_data import sentences

from models_store.language.texts import Texts, hide_pieces, most_hidden
from models_store.language.wordpieces import END, MASK, PAD, START


@settings(max_examples=examples(50), deadline=None)
@given(lengths=st.lists(st.integers(0, 40), min_size=1, max_size=8), window=st.integers(3, 20), seed=st.integers(0, 99))
def test_a_window_is_a_part_of_one_text(lengths: list[int], window: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pieces = [rng.integers(5, 50, length).astype(np.uint16) for length in lengths]

    windows = Texts(pieces).draw(np.arange(len(pieces)), window, rng)

    for text, row in zip(pieces, windows.tolist(), strict=True):
        shown = min(len(text), window - 2)
        assert row[0] == START
        assert row[shown + 1 :] == [END] + [PAD] * (window - 2 - shown)
        inside = row[1 : shown + 1]
        assert inside in [text[begin : begin + shown].tolist() for begin in range(len(text) - shown + 1)]


def test_a_unit_gives_one_window_however_many_texts_it_has() -> None:
    pieces = [np.full(3, 5 + text, np.uint16) for text in range(10)]
    texts = Texts(pieces, ["ann"] * 9 + ["bob"])
    rng = np.random.default_rng(0)

    assert len(texts) == 2
    drawn = np.concatenate([texts.draw(np.array([0]), 8, rng) for _ in range(200)])[:, 1]
    assert set(drawn.tolist()) == set(range(5, 14)), "each text of the unit has its turn"
    assert texts.draw(np.array([1]), 8, rng)[0, 1] == 14


def test_each_text_needs_a_unit() -> None:
    with pytest.raises(ValueError, match="each text needs a unit"):
        Texts(sentences(3), ["ann"])


@settings(max_examples=examples(50), deadline=None)
@given(count=st.integers(1, 6), window=st.integers(3, 40), seed=st.integers(0, 99))
def test_some_pieces_are_hidden_and_never_special_ones(count: int, window: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    windows = Texts(sentences(count, seed)).draw(np.arange(count), window, rng)

    guesses = hide_pieces(windows, 40, rng)

    assert guesses.places.shape == (count, most_hidden(window)), "as many places in short windows"
    for row, inputs, places, targets, counted in zip(windows, *(part.numpy() for part in guesses), strict=True):
        usual, at = int((row >= 5).sum()), places[counted > 0]
        assert len(set(at)) == len(at) == (max(1, round(0.15 * usual)) if usual else 0)
        assert (row[at] >= 5).all()
        assert (targets[counted > 0] == row[at]).all()
        untouched = np.delete(np.arange(window), at)
        assert (inputs[untouched] == row[untouched]).all()


def test_most_hidden_pieces_become_the_mask() -> None:
    rng = np.random.default_rng(0)
    windows = np.full((2000, 12), 7)

    guesses = hide_pieces(windows, 5000, rng)

    hidden = np.take_along_axis(guesses.inputs.numpy(), guesses.places.numpy(), 1)[guesses.counted.numpy() > 0]
    shares = [float((hidden == piece).mean()) for piece in (MASK, 7)]
    assert shares == pytest.approx([0.8, 0.1], abs=0.04)
