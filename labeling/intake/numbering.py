"""Item numbers that do not reveal an item's position in its file.

Annotators see item numbers, and files are often sorted by class: numbers in file order would give answers away. Each
import reserves a block of numbers and assigns them by a permutation keyed with the project's secret.
"""

import math
from functools import lru_cache
from hashlib import blake2b

from django.core.management.color import no_style
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Max

from labeling.models import Item, ItemImport

ROUNDS = 4
HALVES_KEPT = 1 << 16
TRIES = 20


class Permutation:
    """A permutation of range(size) that follows from a key of 16 to 64 bytes, in constant memory.

    A Feistel network over Z_a x Z_b with a * b just above `size`, and cycle walking for what lies beyond: Black and
    Rogaway, "Ciphers with arbitrary finite domains" (2002), section 5.

    >>> permutation = Permutation(b"a key of sixteen", 10)
    >>> sorted(permutation.at(place) for place in range(10))
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """

    def __init__(self, key: bytes, size: int) -> None:
        self._key, self._size = key, size
        self._left = math.isqrt(max(size - 1, 0)) + 1
        self._right = -(-size // self._left)
        # Halves are few: the root of the size.
        self._mixed = lru_cache(HALVES_KEPT)(self._mix)

    def at(self, place: int) -> int:
        """Return the number for `place`. Raises `IndexError` unless it is in range(size)."""
        if not 0 <= place < self._size:
            raise IndexError(f"{place} is not in range({self._size})")
        while True:
            right, left = divmod(place, self._left)
            for step in range(0, ROUNDS, 2):
                left = (left + self._mixed(step, right)) % self._left
                right = (right + self._mixed(step + 1, left)) % self._right
            place = right * self._left + left
            if place < self._size:
                return place

    def _mix(self, step: int, half: int) -> int:
        message = bytes([step]) + half.to_bytes(8, "big")
        return int.from_bytes(blake2b(message, key=self._key, digest_size=16).digest(), "big")


def numbers_for(item_import: ItemImport, count: int, *, estimate: int) -> list[int]:
    """Return the item numbers for the next `count` records from the import's position on; the same numbers at each
    call.

    `estimate`: about how many records the file has. Where there turn out to be more, another block is reserved.
    """
    first, last = item_import.position, item_import.position + count
    if item_import.first_number is None or last > item_import.numbered_from + item_import.numbers:
        _reserve(item_import, max(estimate, count))
    assert item_import.first_number is not None
    key = item_import.project.keyed("numbers", f"{item_import.pk}/{item_import.numbered_from}")
    permutation = _permutation(key, item_import.numbers)
    places = range(first - item_import.numbered_from, last - item_import.numbered_from)
    return [item_import.first_number + permutation.at(place) for place in places]


@lru_cache(maxsize=2)
def _permutation(key: bytes, size: int) -> Permutation:
    """Return the permutation, cached for all chunks of an import."""
    return Permutation(key, size)


def _reserve(item_import: ItemImport, size: int) -> None:
    """Reserve the next free block of numbers, for the records from the import's position on."""
    for _ in range(TRIES):
        last_item = Item.objects.aggregate(last=Max("pk"))["last"] or 0
        last_block = ItemImport.objects.aggregate(last=Max(F("first_number") + F("numbers") - 1))["last"] or 0
        block = {"first_number": max(last_item, last_block) + 1, "numbers": size, "numbered_from": item_import.position}
        try:
            with transaction.atomic():
                ItemImport.objects.filter(pk=item_import.pk).update(**block)
        except IntegrityError:  # another import has just reserved the same numbers
            continue
        item_import.refresh_from_db(fields=list(block))
        return
    raise IntegrityError(f"No numbers could be reserved for {item_import}: too many imports at once.")


def settle_sequence() -> None:
    """Move PostgreSQL's sequence of item numbers behind the highest one: inserts with explicit numbers do not."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [Item]):
            cursor.execute(statement)
