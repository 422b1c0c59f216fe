"""Store the checksums of the features as rows of the database, and read them to check all features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labeling.models import FeatureSum, Project
from labeling.storage.arrays.files import RowSum

# Features without a sum are checked in parts of this many rows.
PART = 8192


def sums_of(project: Project, generation: int | None = None) -> list[RowSum]:
    """Return the sums of a generation of features, by default the present one, up to `encoded_rows`, in order."""
    return list(_covering(project, generation or project.features_generation))


def _covering(project: Project, generation: int) -> Iterator[RowSum]:
    at, end = 0, project.encoded_rows
    known = FeatureSum.objects.filter(project=project, generation=generation).order_by("start")
    for start, rows, crc32 in known.values_list("start", "rows", "crc32").iterator():
        if start < at or start + rows > end:  # of rows behind `encoded_rows`, or covered already
            continue
        yield from _without_sum(at, start)
        yield RowSum(start, start + rows, crc32)
        at = start + rows
    yield from _without_sum(at, end)


def _without_sum(start: int, stop: int) -> Iterator[RowSum]:
    for first in range(start, stop, PART):
        yield RowSum(first, min(first + PART, stop), None)


def store_sums(project: Project, generation: int, sums: Iterable[RowSum]) -> None:
    """Write the sums that have a CRC-32, over earlier sums with the same start. Call in a transaction."""
    FeatureSum.objects.bulk_create(
        [
            FeatureSum(project=project, generation=generation, start=start, rows=stop - start, crc32=crc32)
            for start, stop, crc32 in sums
            if crc32 is not None
        ],
        batch_size=500,
        update_conflicts=True,
        unique_fields=["project", "generation", "start"],
        update_fields=["rows", "crc32"],
    )
