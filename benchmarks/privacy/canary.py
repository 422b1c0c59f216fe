"""A secret in one text of the pool: how much of it do the weights of a language model show?

Exposure (Carlini et al. 2019, 1802.08232): of all numbers with as many digits, how far in front does the model rank the
secret one?
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from models_store.language.network import LanguageModel
from models_store.language.wordpieces import END, MASK, START, WordPieces

DIGITS = 4
"""Of a secret: 10,000 numbers, 13.3 bits."""
AT_ONCE = 500


def exposure(network: LanguageModel, cut: WordPieces, text: str, secret: str) -> float:
    """Return the bits of the secret that the model shows: log2 of the number of secrets, less log2 of the rank of this
    one. About 1.4 on average if the model knows nothing; 13.3 at most.

    Parameters
    ----------
    text : str
        The text of the secret, with `{}` in its place.
    secret : str
        DIGITS digits, with a space between each two, so that each is a word piece.
    """
    scores = _scores(network, cut, text)
    rank = 1 + int((scores > scores[tuple(map(int, secret.split()))]).sum())
    return math.log2(scores.size / rank)


def most(epsilon: float, delta: float, chance: float) -> float:
    """Return the exposure that a model of this privacy exceeds with a probability of at most `chance`, if the secret
    was drawn uniformly. Infinite if `chance` is not above delta.

    A model that has not seen the secret ranks it among the first k of n with probability k / n; another one
    with at most e^ε k / n + δ.
    """
    return epsilon * math.log2(math.e) - math.log2(chance - delta) if chance > delta else math.inf


def _scores(network: LanguageModel, cut: WordPieces, text: str) -> NDArray[np.float64]:
    """Return the score of each secret, an array with DIGITS axes of 10: the sum over its digits of the log-probability
    of the digit, hidden, given all others.
    """
    digits = [int(each[0]) for each in cut([str(digit) for digit in range(10)])]
    [template] = cut([text.format(" ".join("0" * DIGITS))])
    [first, *_] = [at for at in range(len(template)) if (template[at : at + DIGITS] == digits[0]).all()]
    windows = np.tile(np.array([START, *template, END], np.int64), (10 ** (DIGITS - 1), 1))
    others = np.array(digits)[np.indices((10,) * (DIGITS - 1)).reshape(DIGITS - 1, -1)]
    total = np.zeros((10,) * DIGITS)
    for place in range(DIGITS):
        windows[:, 1 + first : 1 + first + DIGITS] = np.insert(others, place, MASK, axis=0).T
        logs = _log_probabilities(network, windows, 1 + first + place)[:, digits]
        total += np.moveaxis(logs.reshape((10,) * DIGITS), -1, place)
    return total


def _log_probabilities(network: LanguageModel, windows: NDArray[np.int64], place: int) -> NDArray[np.float64]:
    """Return (m, pieces) logarithms of the probabilities of all pieces at this place of each window."""
    parts = []
    for start in range(0, len(windows), AT_ONCE):
        with torch.inference_mode():
            hidden = network(torch.from_numpy(windows[start : start + AT_ONCE]))[:, place]
            parts.append(network.output(hidden).double().log_softmax(dim=1).numpy())
    return np.concatenate(parts)
