"""Find repeated ids among ten million or more, in eight bytes for each id."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable

import numpy as np


def hash_of(external_id: str) -> int:
    """Return a 64-bit hash of the id, the same in every process."""
    return int.from_bytes(hashlib.blake2b(external_id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


class RepeatedIds:
    """Collects ids, and returns the hashes of ids that were added more than once.

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
        """Return the repeated hashes. Ten million different ids have two equal hashes by chance in 3 of a million
        files.
        """
        ordered = np.sort(np.frombuffer(self._hashes, dtype=np.uint64)) if self._hashes else np.empty(0, np.uint64)
        return frozenset(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
