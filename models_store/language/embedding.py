"""Texts to the mean of their hidden states."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models_store.language.network import LanguageModel
from models_store.language.wordpieces import END, PAD, START

MOST_WINDOWS = 8
"""The windows of a text that are read, from its beginning; the rest of a longer text is cut off."""
AT_ONCE = 64
"""Windows that go through the network together: bounds its memory."""


def embed(network: LanguageModel, texts: Sequence[NDArray[np.uint16]]) -> NDArray[np.float32]:
    """Return (m, width) means over the last hidden states of each text's pieces; zeros for a text without a piece."""
    size = network.config.window - 2
    windows = [
        (place, text[start : start + size])
        for place, text in enumerate(texts)
        for start in range(0, min(len(text), MOST_WINDOWS * size), size)
    ]
    windows.sort(key=lambda window: len(window[1]))  # so that little is padded
    sums, counts = torch.zeros(len(texts), network.config.width), torch.zeros(len(texts), 1)
    for start in range(0, len(windows), AT_ONCE):
        part = windows[start : start + AT_ONCE]
        padded = nn.utils.rnn.pad_sequence(
            [torch.tensor([START, *pieces.tolist(), END]) for _, pieces in part], batch_first=True, padding_value=PAD
        )
        with torch.inference_mode():
            hidden = network(padded)
        inside = ((padded != PAD) & (padded != START) & (padded != END))[:, :, None]
        places = torch.tensor([place for place, _ in part])
        sums.index_add_(0, places, (hidden * inside).sum(dim=1))
        counts.index_add_(0, places, inside.sum(dim=1).float())
    means: NDArray[np.float32] = (sums / counts.clamp(min=1)).numpy()
    return means
