"""Rows that an import sets aside: the first of them with their reasons, all of them by number, and when to stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from labeling.intake.rows import Rejection
from labeling.models import ItemImport, RejectedRow
from labeling.projects import storage

KEPT = 1000
"""Rows of an import that are kept, so that people can mend them. All others are counted."""
REASONS = 20
"""Reasons that are told apart. A reason may quote the row, so there may be as many as there are rows."""
OTHERS = "Other reasons."

THERE = "The project already has an item with this id."
TWICE = "This id occurs twice in the file."

# A file that is read to its end for each of two million bad rows keeps a worker busy for nothing. Rows whose items are
# there are no bad ones: a file that has grown may be imported again.
HOPELESS_ROWS = 10_000
HOPELESS_SHARE = 0.99


def set_aside(item_import: ItemImport, rejections: Sequence[Rejection]) -> dict[str, Any]:
    """Store those of the rows that are to be kept. Returns the import's fields that count all of them; within the
    transaction that writes them.
    """
    room = max(0, KEPT - item_import.rejected)
    RejectedRow.objects.bulk_create(
        RejectedRow(item_import=item_import, where=r.where[:300], reason=r.reason[:500], excerpt=r.excerpt[:200])
        for r in rejections[:room]
    )
    by_reason = counted(item_import.rejected_by_reason or {}, rejections)
    return {"rejected": item_import.rejected + len(rejections), "rejected_by_reason": by_reason}


def bytes_kept(item_import: ItemImport, rejections: Sequence[Rejection]) -> int:
    """What those of the rows that are to be kept take in the database."""
    kept = rejections[: max(0, KEPT - item_import.rejected)]
    return sum(storage.REJECTED_BYTES + len(r.where) + len(r.reason) + len(r.excerpt) for r in kept)


def counted(before: Mapping[str, int], rejections: Sequence[Rejection]) -> dict[str, int]:
    """How many rows were set aside for each reason, with these. A reason that is new when `REASONS` are known counts
    among the others.
    """
    counts = dict(before)
    for reason, number in Counter(each.reason[:500] for each in rejections).items():
        told = reason if reason in counts or reason in (THERE, TWICE) or len(counts) < REASONS else OTHERS
        counts[told] = counts.get(told, 0) + number
    return counts


def by_number(item_import: ItemImport) -> list[tuple[str, int]]:
    """The reasons for which rows were set aside, each with the number of its rows, the most frequent first."""
    return sorted((item_import.rejected_by_reason or {}).items(), key=lambda pair: -pair[1])


def is_hopeless(item_import: ItemImport) -> bool:
    """Whether so many rows were bad, and so few were not, that the rest of the file is not worth a look."""
    bad = bad_rows(item_import)
    return bad >= HOPELESS_ROWS and bad >= HOPELESS_SHARE * item_import.position


def bad_rows(item_import: ItemImport) -> int:
    """Rows that were set aside, without those whose item was there already."""
    by_reason = item_import.rejected_by_reason or {}
    return item_import.rejected - by_reason.get(THERE, 0) - by_reason.get(TWICE, 0)
