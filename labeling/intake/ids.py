"""Which ids occur more than once among any number of them: eight bytes an id, so that ten million fit."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable

import numpy as np


def hash_of(external_id: str) -> int:
    """64 bits of the id; the same in every process."""
    return int.from_bytes(hashlib.blake2b(external_id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


class RepeatedIds:
    """Takes ids, and tells the hashes of those that came more than once.

    >>> ids = RepeatedIds()
    >>> ids.add(["a", "b", "a"])
    >>> ids.repeated() == {hash_of("a")}
    True
    """

    def __init__(self) -> None:
        self._hashes = array("Q")

    def add(self, ids: Iterable[str]) -> None:
        self._hashes.extend(map(hash_of, ids))

    def repeated(self) -> frozenset[int]:
        """Among ten million different ids, one in a hundred thousand such files shows a pair of one hash by chance."""
        ordered = np.sort(np.frombuffer(self._hashes, dtype=np.uint64)) if self._hashes else np.empty(0, np.uint64)
        return frozenset(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
