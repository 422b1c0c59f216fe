"""A small language network, and texts for it."""

import numpy as np
import torch

from models_store.language.config import LanguageConfig
from models_store.language.network import LanguageModel

SHAPE = LanguageConfig(pieces=40, layers=2, width=16, heads=2, window=12)


def network(shape: LanguageConfig = SHAPE, seed: int = 0) -> LanguageModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LanguageModel(shape)


def sentences(count: int, seed: int = 0, pieces: int = SHAPE.pieces) -> list[np.ndarray]:
    """Return texts of 0 to 14 pieces in which each piece is followed by the next number."""
    rng = np.random.default_rng(seed)
    usual = pieces - 5
    return [
        (5 + (rng.integers(usual) + np.arange(rng.integers(0, 15))) % usual).astype(np.uint16) for _ in range(count)
    ]
