"""The interface of a file of predictions, the form that a project expects, and the checks of each block."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from labeling.intake.readers import UnreadableFile
from labeling.kinds.wording import excerpt

BLOCK = 4096
BLOCK_BYTES = 1 << 25
"""The most rows and bytes of a block."""
MOST_DIM = 65_536
OFF = 0.01
"""The most by which probabilities may miss the sum 1: those of float16 do. They are then divided by their sum."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The project's side: `classes` are indices by name, `n_classes` counts all of them, `rows` the pool's items.

    `adds_up`: an item's probabilities are one distribution. `proposes`: an item has one probability, of yes.
    """

    classes: Mapping[str, int]
    n_classes: int
    rows: int
    adds_up: bool
    proposes: bool

    @property
    def columns(self) -> int:
        """The number of probabilities of an item."""
        return 1 if self.proposes else self.n_classes


class Block(NamedTuple):
    """Predictions of m items in the order of the file: ids (m,), scores (m, columns) and embeddings (m, dim), float32.

    `place` is the number of the first, from 0.
    """

    place: int
    ids: Sequence[str]
    scores: np.ndarray
    embeddings: np.ndarray


class PredictionFile(ABC):
    """Predictions in a file. `columns` and `dim`: as in `PredictionSet`; `margins_only`: there are no classes."""

    columns: int
    dim: int
    margins_only = False

    def __init__(self, name: str, expected: Expected) -> None:
        self.name, self.expected = name, expected

    def blocks(self) -> Iterator[Block]:
        """Yield the predictions in blocks. Raises `UnreadableFile` for the first one that is wrong."""
        for block in self._blocks():
            scores = self._checked(block)
            if not np.isfinite(block.embeddings).all():
                at = int(np.flatnonzero(~np.isfinite(block.embeddings).all(axis=1))[0])
                raise self._wrong(block, at, "the embedding has a number that is not finite")
            yield block._replace(scores=scores)

    @abstractmethod
    def _blocks(self) -> Iterator[Block]:
        """Yield the blocks as they are in the file."""

    def _checked(self, block: Block) -> np.ndarray:
        """Return the scores as (m, columns) probabilities; of a margin, the two that differ by it and add up to 1."""
        scores = block.scores
        word = "margin" if self.margins_only else "probability"
        for wrong, problem in (
            (~np.isfinite(scores), f"a {word} is missing or no finite number"),
            ((scores < -1e-6) | (scores > 1 + 1e-6), f"a {word} is not between 0 and 1"),
        ):
            if wrong.any():
                raise self._wrong(block, int(np.flatnonzero(wrong.any(axis=1))[0]), problem)
        scores = scores.clip(0, 1)
        if self.margins_only:
            return np.concatenate([(1 + scores) / 2, (1 - scores) / 2], axis=1)
        if not self.expected.adds_up:
            return scores
        sums = scores.sum(axis=1, dtype=np.float64, keepdims=True)
        off = np.abs(sums[:, 0] - 1) > OFF
        if off.any():
            at = int(np.flatnonzero(off)[0])
            raise self._wrong(block, at, f"the probabilities add up to {sums[at, 0]:.4g}, not to 1")
        return (scores / sums).astype(np.float32)

    def _wrong(self, block: Block, at: int, problem: str) -> UnreadableFile:
        return UnreadableFile(f"{self.name}, row {block.place + at + 1} (item “{excerpt(block.ids[at])}”): {problem}.")

    def _places(self, names: Sequence[str]) -> list[int]:
        """Return the index of each class. Raises `UnreadableFile` for an unknown or repeated class."""
        known, places = self.expected.classes, []
        for name in names:
            if name not in known:
                raise UnreadableFile(f"{self.name}: the project has no class “{excerpt(name)}”: rename or add it.")
            if known[name] in places:
                raise UnreadableFile(f"{self.name}: the class “{excerpt(name)}” occurs twice.")
            places.append(known[name])
        return places

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None: ...

    def check_dim(self) -> None:
        """Raise `UnreadableFile` if the embeddings are too long."""
        if self.dim > MOST_DIM:
            raise UnreadableFile(f"{self.name}: embeddings may have {MOST_DIM:,} numbers, not {self.dim:,}.")

    def rows_at_once(self, row_bytes: int) -> int:
        """Return the rows of a block, for rows of this size."""
        return max(1, min(BLOCK, BLOCK_BYTES // max(1, row_bytes)))
