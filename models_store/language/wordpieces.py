"""Texts to word pieces of a public vocabulary, which tells nothing of the texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PAD, UNKNOWN, START, END, MASK = range(5)
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PIECES = 8192
"""Pieces that are kept. Noise grows with the number of weights, and most weights of a small network are its pieces."""
LONGEST = 4096
"""Word pieces kept of a text."""


def vocabulary_of(path: Path, pieces: int = PIECES) -> list[str]:
    """Return the first pieces of a vocabulary file, one a line: the special ones, then the others in their order.

    BERT's files name single characters first, then pieces by how frequent they are. Places that BERT left unused are
    left out.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    usual = [line for line in lines if line not in SPECIAL and not line.startswith("[unused")]
    return [*SPECIAL, *usual][:pieces]


class WordPieces:
    """Cuts texts into the pieces of a vocabulary, as BERT does: lower-cased, the longest known piece first."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        if tuple(vocabulary[: len(SPECIAL)]) != SPECIAL or len(set(vocabulary)) != len(vocabulary):
            raise ValueError("a vocabulary starts with the special pieces, and names each piece once")
        from tokenizers import BertWordPieceTokenizer

        self.vocabulary = tuple(vocabulary)
        places = {piece: place for place, piece in enumerate(vocabulary)}
        self._tokenizer: Any = BertWordPieceTokenizer(vocab=places, lowercase=True)

    def __call__(self, texts: Sequence[str]) -> list[NDArray[np.uint16]]:
        """Return the pieces of each text, without special ones, at most LONGEST of each."""
        # Halves of surrogate pairs are no characters to the library.
        clean = [text.encode(errors="replace").decode() for text in texts]
        encoded = self._tokenizer.encode_batch(clean, add_special_tokens=False)
        return [np.array(each.ids[:LONGEST], np.uint16) for each in encoded]
