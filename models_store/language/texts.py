"""The texts of a pre-training by unit of privacy; windows drawn from them, and pieces hidden in these."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models_store.language.wordpieces import END, MASK, PAD, SPECIAL, START

HIDDEN = 0.15
"""The share of the pieces of a window that the network has to guess."""


class Texts:
    """Texts in word pieces, grouped by unit: an item, or an author with all items.

    A step takes one window of one text of each unit that it draws: that caps the contribution of a unit, however many
    or long its texts are.
    """

    def __init__(self, pieces: Sequence[NDArray[np.uint16]], units: Sequence[Hashable] | None = None) -> None:
        """`units`: the unit of each text; by default each text is a unit."""
        if units is not None and len(units) != len(pieces):
            raise ValueError("each text needs a unit")
        self._pieces = np.concatenate([*pieces, np.empty(0, np.uint16)])
        self._starts = np.cumsum([0, *map(len, pieces)])
        places: dict[Hashable, int] = {}
        of_text = [places.setdefault(unit, len(places)) for unit in (range(len(pieces)) if units is None else units)]
        self._texts = np.argsort(of_text, kind="stable")
        self._firsts = np.cumsum([0, *np.bincount(of_text, minlength=len(places))]).astype(np.int64)

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self._firsts) - 1

    def draw(self, units: NDArray[np.int64], window: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw a text of each unit, and a window of it: (m, window) pieces from START to END, then PAD."""
        counts = self._firsts[units + 1] - self._firsts[units]
        texts = self._texts[self._firsts[units] + rng.integers(0, counts)]
        lengths = self._starts[texts + 1] - self._starts[texts]
        shown = np.minimum(lengths, window - 2)
        begins = self._starts[texts] + rng.integers(0, lengths - shown + 1)
        columns = np.arange(window)
        inside = (columns >= 1) & (columns <= shown[:, None])
        rows = np.where(inside, begins[:, None] + columns - 1, 0)
        drawn = np.where(inside, self._pieces[rows] if len(self._pieces) else PAD, PAD).astype(np.int64)
        drawn[:, 0] = START
        drawn[np.arange(len(units)), shown + 1] = END
        return drawn


class Guesses(NamedTuple):
    """Windows with hidden pieces: `inputs` (m, window), and `places`, `targets` and `counted` of shape (m, k), where k
    is the same for all windows. `counted` is 0 for places beyond a short window's share.
    """

    inputs: Tensor
    places: Tensor
    targets: Tensor
    counted: Tensor

    def cut(self, longest: int) -> Guesses:
        """Return the guesses without the columns behind the longest window, which are PAD."""
        return self._replace(inputs=self.inputs[:, :longest])


def hide_pieces(windows: NDArray[np.int64], pieces: int, rng: np.random.Generator) -> Guesses:
    """Hide some 15 % of the pieces, at least one of each window that has any: 8 in 10 of these become MASK, 1 a random
    piece, 1 stays (Devlin et al. 2019, 1810.04805).
    """
    usual = windows >= len(SPECIAL)
    most = most_hidden(windows.shape[1])
    places = np.argsort(np.where(usual, rng.random(windows.shape), 2.0), axis=1)[:, :most]
    lengths = usual.sum(axis=1)
    counts = np.where(lengths > 0, np.maximum(1, np.rint(HIDDEN * lengths)), 0)
    counted = np.arange(most) < counts[:, None]
    places = np.where(counted, places, 0)
    targets = np.take_along_axis(windows, places, axis=1)
    chance = rng.random(places.shape)
    replaced = np.where(
        chance < 0.8, MASK, np.where(chance < 0.9, rng.integers(len(SPECIAL), pieces, places.shape), targets)
    )
    inputs = windows.copy()
    np.put_along_axis(inputs, places, np.where(counted, replaced, targets), axis=1)
    return Guesses(*map(torch.from_numpy, (inputs, places, targets, counted.astype(np.float32))))


def most_hidden(window: int) -> int:
    """Return the most pieces hidden in a window: the fixed number that divides the sum of a window's losses."""
    return max(1, round(HIDDEN * (window - 2)))
