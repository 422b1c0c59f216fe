"""Canary texts for the audit of private pre-training: each repeats a word piece of its own."""

import numpy as np
import torch
from numpy.typing import NDArray

from models_store.language.config import LanguageConfig, PretrainingConfig
from models_store.language.network import LanguageModel
from models_store.language.pretraining import pretrain
from models_store.language.texts import Texts, hide_pieces
from models_store.language.wordpieces import SPECIAL
from models_store.privacy.planned import epsilon

WINDOW = 8


def known(members: NDArray[np.bool_], config: PretrainingConfig, seed: int) -> tuple[NDArray[np.float64], float]:
    """Pre-train on the member canaries; return (count,) scores of all canaries from the model alone, and its stated ε.

    A score is how much the training raised the logit of a canary's piece where one is hidden in its text, above the
    mean of all canaries' logits there. No other text has the piece, so that a model can only know it from the canary.
    The first weights follow from the seed, which an attacker may know.
    """
    count = len(members)
    pieces = [np.full(WINDOW - 2, len(SPECIAL) + number, np.uint16) for number in range(count)]
    shape = LanguageConfig(pieces=len(SPECIAL) + count, layers=1, width=32, heads=2, window=WINDOW)
    learned = Texts([pieces[number] for number in np.flatnonzero(members)])
    phases = config.phases(len(learned))
    logits = [
        logits_of(pretrain(learned, shape, config, steps, units=len(learned), seed=seed), Texts(pieces), seed)
        for steps in ([], phases)
    ]
    raised = (logits[1] - logits[0])[:, len(SPECIAL) :]
    above = raised - raised.mean(axis=1, keepdims=True)
    return above[np.arange(count), np.arange(count)], epsilon(phases, config.delta)


def logits_of(network: LanguageModel, texts: Texts, seed: int) -> NDArray[np.float64]:
    """Return (count, pieces) logits at the hidden place of each text's window."""
    rng = np.random.default_rng(seed)
    windows = texts.draw(np.arange(len(texts)), WINDOW, rng)
    with torch.inference_mode():
        return np.asarray(network.logits(hide_pieces(windows, network.config.pieces, rng))[:, 0].double().numpy())
