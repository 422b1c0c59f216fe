"""Record the rejected rows of an import, count them by reason, and decide when to stop the import."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from labeling.intake.drafts import Rejection
from labeling.models import ItemImport, RejectedRow
from labeling.projects import quota

KEPT = 1000
"""The rejected rows of an import that are stored, for people to correct. Further rows are only counted, unless a look
at a source has to know all of them: see `most_kept`.
"""
REASONS = 20
"""The most reasons with their own count. A reason may quote its row, so each row may have another reason."""
OTHERS = "Other reasons."

THERE = "The project already has an item with this id."
TWICE = "This id occurs twice in the file."
EXISTING = (THERE, TWICE)

# An import of millions of bad rows stops early, to spare the worker. Rows of existing items do not count as bad: people
# may import a file again after it has grown.
HOPELESS_ROWS = 10_000
HOPELESS_SHARE = 0.99


def set_aside(item_import: ItemImport, rejections: Sequence[Rejection]) -> dict[str, Any]:
    """Store rejected rows, up to `most_kept` of an import. Returns the fields of the import that count all rejections.

    Call it in the transaction that writes these fields.
    """
    room = max(0, most_kept(item_import) - item_import.rejected)
    RejectedRow.objects.bulk_create(
        RejectedRow(item_import=item_import, where=r.where[:300], reason=r.reason[:500], excerpt=r.excerpt[:200])
        for r in rejections[:room]
    )
    by_reason = counted(item_import.rejected_by_reason or {}, rejections)
    return {"rejected": item_import.rejected + len(rejections), "rejected_by_reason": by_reason}


def most_kept(item_import: ItemImport) -> int:
    """Return the number of rejected rows that are stored. Of a list of files, all are: full looks do not read files
    again that were rejected and have not changed.
    """
    is_list = item_import.source_id is not None and not item_import.source_key
    return max(KEPT, item_import.total or 0) if is_list else KEPT


def bytes_kept(item_import: ItemImport, rejections: Sequence[Rejection]) -> int:
    """Return the bytes in the database of the rejected rows that `set_aside` stores."""
    kept = rejections[: max(0, most_kept(item_import) - item_import.rejected)]
    return sum(quota.REJECTED_BYTES + len(r.where) + len(r.reason) + len(r.excerpt) for r in kept)


def counted(before: Mapping[str, int], rejections: Sequence[Rejection]) -> dict[str, int]:
    """Return the number of rejected rows by reason: `before` plus these. Beyond `REASONS`, new ones count as others."""
    counts = dict(before)
    for reason, number in Counter(each.reason[:500] for each in rejections).items():
        told = reason if reason in counts or reason in (THERE, TWICE) or len(counts) < REASONS else OTHERS
        counts[told] = counts.get(told, 0) + number
    return counts


def by_number(item_import: ItemImport) -> list[tuple[str, int]]:
    """Return the reasons of rejections with the numbers of their rows, the most frequent first."""
    return sorted((item_import.rejected_by_reason or {}).items(), key=lambda pair: -pair[1])


def is_hopeless(item_import: ItemImport) -> bool:
    """Return whether so many rows were bad, and so few good, that the import should stop."""
    bad = bad_rows(item_import)
    return bad >= HOPELESS_ROWS and bad >= HOPELESS_SHARE * item_import.position


def existing_rows(item_import: ItemImport) -> int:
    """Return the number of rejected rows with the id of an existing item or of an earlier row."""
    by_reason = item_import.rejected_by_reason or {}
    return sum(by_reason.get(reason, 0) for reason in EXISTING)


def bad_rows(item_import: ItemImport) -> int:
    """Return the number of rejected rows, without rows of existing items."""
    return item_import.rejected - existing_rows(item_import)
