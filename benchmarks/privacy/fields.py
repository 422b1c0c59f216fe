"""The fields of a dictionary's entries, such as botany, on all-MiniLM-L6-v2: its embeddings, and the beginnings of the
texts, from which trainings fine-tune the encoder itself.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.efficiency.datasets import Data, DataError, Source
from benchmarks.privacy import dictionary
from models_store.encoders import EncoderSetupError, SentenceTransformers
from models_store.networks import TunedTransformer

NAME = "fields"
WORDS = 20
"""The words of an entry that are read, some 32 word pieces: more would take hours."""
PIECES = 32
AT_ONCE = 1024


def write(folder: Path) -> Source:
    """Encode all entries that name a field, into files of the folder. Raises DataError."""
    named = [found for text in dictionary.entries() if (found := dictionary.subject(text))]
    texts = [" ".join(text.split()[:WORDS]) for text, _ in named]
    made = encoder()
    parts = [made.encode(texts[start : start + AT_ONCE]) for start in range(0, len(texts), AT_ONCE)]
    np.save(folder / "features.npy", np.concatenate(parts))
    np.save(folder / "labels.npy", np.array([field for _, field in named]))
    return Source(NAME, vectors=folder / "features.npy", labels=folder / "labels.npy", test_share=0.2)


def embeddings(data: Data) -> Data:
    """Return the data without the beginnings of the texts: what a small network on the encoder learns from."""
    width = data.features.shape[1] - PIECES
    features, test_features = data.features[:, :width], data.test_features[:, :width]
    return replace(data, features=features, test_features=test_features, input_shape=(width,))


def network(n_classes: int) -> TunedTransformer:
    """Return the encoder's network with a new last layer."""
    made = encoder().network(n_classes)
    assert made is not None
    return made


@lru_cache(maxsize=1)
def encoder() -> SentenceTransformers:
    """Return the encoder with word pieces among its features. Raises DataError if its package is missing."""
    folder = SentenceTransformers.options["folder"].packaged().get("all-MiniLM-L6-v2")
    if folder is None:
        raise DataError("all-MiniLM-L6-v2 is not installed: scripts/setup.sh requirements-encoders.txt")
    try:
        return SentenceTransformers.fit([], folder=folder, tuned="yes", pieces=PIECES)
    except EncoderSetupError as error:
        raise DataError(str(error)) from error
