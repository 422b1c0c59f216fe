"""Drafts as rows of the table of items."""

import datetime
import hashlib
import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.utils import timezone

from labeling.intake.drafts import Draft
from labeling.intake.row_labels import ImportedAnswer
from labeling.kinds import Kind
from labeling.models import Item, Project
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
             reserved, now, item.fingerprint, *_label(item.settled, encode, encode_label, at))
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


def _label(
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
