"""Drafts as rows of the table of items, and the numbers of items."""

import datetime
import hashlib
import json
import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from django.core.management.color import no_style
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Max
from django.utils import timezone

from labeling.intake.drafts import Draft
from labeling.intake.row_labels import ImportedAnswer
from labeling.kinds import Kind
from labeling.models import Item, ItemImport, Project
from labeling.projects import quota
from labeling.questions import Question
from labeling.storage.db.statements import stored

COLUMNS = (
    "id", "project", "external_id", "source", "data", "media", "media_offset", "proposed", "truth", "gold",
    "suggestion", "encode_error", "control_key", "reserved", "created_at", "fingerprint", "label", "agreement",
    "labeled_at", "label_probability", "label_distribution",
)  # fmt: skip
TRUTHS_KEPT = 4096


@dataclass(slots=True)
class Settled:
    """An item's answers with their times, its correction if it has one, and the label that follows from them. Values
    are those to be stored.
    """

    answers: list[ImportedAnswer]
    label: Any
    agreement: float | None
    labeled_at: datetime.datetime | None
    corrected_by: str = ""
    corrected_to: Any = None
    probability: float | None = None
    distribution: list[list[Any]] | None = None


@dataclass(slots=True)
class NewItem:
    """An item to be inserted. `settled`: None for an item without labels."""

    number: int
    draft: Draft
    source: str
    media: str = ""
    media_offset: int = 0
    fingerprint: int | None = None
    settled: Settled | None = None


def rows_of(project: Project, items: Iterable[NewItem], indices: Mapping[str, int]) -> list[tuple[Any, ...]]:
    """Return the items as rows of `COLUMNS`. Django's models would take several times as long as the database."""
    now = stored(Item, "created_at", timezone.now())
    keyed = project.keyed_by("control")
    asks, share, project_id = project.asks, project.control_share, project.pk
    encode = json.JSONEncoder().encode
    known = _remembered(asks, lambda shown: encode(asks.parse(shown, indices)))
    encode_label = _remembered(asks, encode)
    at = lru_cache(TRUTHS_KEPT)(lambda at: stored(Item, "labeled_at", at))
    rows = []
    # In the order of the ids, not of the file: rows that are written together then share pages of the database.
    for item in sorted(items, key=lambda item: item.number):
        draft = item.draft
        proposed = None if draft.proposed is None else indices[draft.proposed]
        key = control_key(keyed(draft.external_id))
        # What came with its label is no sample of the pool: control items are drawn among the others.
        reserved = draft.labels is None and draft.gold is None and key < share
        rows.append(
            (item.number, project_id, draft.external_id, item.source[:300], encode(draft.data), item.media,
             item.media_offset, proposed, known(draft.truth), known(draft.gold), known(draft.suggestion), "", key,
             reserved, now, item.fingerprint, *_label_columns(item.settled, encode, encode_label, at))
        )  # fmt: skip
    return rows


def _remembered(asks: Question, encode: Callable[[Any], str]) -> Callable[[Any], str | None]:
    """Return `encode` for answers, which remembers them: a file has few different ones. None stays None."""
    known: dict[Hashable, str] = {}

    def encoded(answer: Any) -> str | None:
        if answer is None:
            return None
        key = asks.key(answer)
        if key not in known:
            known[key] = encode(answer)
        return known[key]

    return encoded


def _label_columns(
    settled: Settled | None,
    encode: Callable[[Any], str],
    encode_label: Callable[[Any], str | None],
    at: Callable[[Any], Any],
) -> tuple[Any, ...]:
    """Return the columns of the label: for an item without labels, or with skips alone, all are empty."""
    if settled is None or (settled.label is None and settled.agreement is None):
        return (None,) * 5
    label = encode_label(settled.label)
    distribution = None if settled.distribution is None else encode(settled.distribution)
    return label, settled.agreement, at(settled.labeled_at), settled.probability, distribution


def fingerprint(kind: Kind, draft: Draft, media: str) -> int | None:
    """Return a 64-bit hash of the item's content, the same in all projects; None if the kind cannot tell."""
    identity = kind.identity(draft.data, media, draft.vector)
    if not identity:
        return None
    digest = hashlib.blake2b(identity, digest_size=8, person=kind.name.encode()).digest()
    return int.from_bytes(digest, "big", signed=True)


def bytes_of(asks: Question, values: Iterable[tuple[Any, ...]], items: Iterable[NewItem]) -> int:
    """Return the bytes of these items in the database: their rows (`values`, as in `COLUMNS`) and their answers."""
    size = sum(quota.item_bytes(external_id, source, data) for _, _, external_id, source, data, *_ in values)
    for labels in (item.draft.labels for item in items):
        if labels is not None:
            answers = sum(quota.answer_bytes(asks.weight(each.value), each.reason) for each in labels.answers)
            size += answers or quota.ANSWER_BYTES  # a label without answers makes one
    return size


def control_key(digest: bytes) -> float:
    """Return an item's key in the project's random permutation, uniform in [0, 1). `digest`: of the item's id, keyed
    with the project's secret for "control".
    """
    return int.from_bytes(digest[:6], "big") / 2**48


# Item numbers that do not reveal an item's position in its file.
#
# Annotators see item numbers, and files are often sorted by class: numbers in file order would give answers away. Each
# import reserves a block of numbers and assigns them by a permutation keyed with the project's secret.

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
