"""Pages of near-copies: rows like those of answered items, but with the label of another item."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from labeling.intake.row_labels import ORIGIN
from labeling.labels.resolving.origins import Origin
from labeling.models import Copy, Project
from labeling.models.near_copies import CopyQuerySet
from labeling.outgoing.exports.choice import Choice
from labeling.outgoing.exports.columns import NOTHING
from labeling.outgoing.formats import Page, Row


def count_copies(project: Project, choice: Choice) -> int:
    """Return the number of rows that `copy_pages` yields for all batches. Takes one query; none without near-copies."""
    if not choice.get("copies"):
        return 0
    copies = chosen_copies(project, choice)
    if numbers := choice.get("batch"):
        copies = copies.filter(batch__number__in=numbers)
    return copies.count()


def copy_pages(copies: CopyQuerySet, show: Callable[[Any], Any], *, is_file: bool, size: int) -> Iterator[Page]:
    """Yield rows for these near-copies, up to `size` at a time. `show` turns a stored label into its text."""
    last, copies = 0, copies.select_related("item", "of", "batch__selected_by").order_by("pk")
    while page := list(copies.filter(pk__gt=last)[:size]):
        yield [_row(copy, show, is_file=is_file) for copy in page]
        last = page[-1].pk


def chosen_copies(project: Project, choice: Choice) -> CopyQuerySet:
    """Return the near-copies with propagated labels that match the filters except the filter by batch."""
    return choice.of_copies(Copy.objects.propagated().filter(batch__project=project))


def _row(copy: Copy, show: Callable[[Any], Any], *, is_file: bool) -> Row:
    item, batch = copy.item, copy.batch
    return {
        **NOTHING,
        "item": item.pk,
        "external_id": item.external_id,
        "source": item.source,
        "data": json.dumps(item.data, ensure_ascii=False, separators=(",", ":")),
        "media": (item.media or None) if is_file else None,
        "label": show(copy.of.label),
        "batch": batch.number,
        "model_version": batch.selected_by.number if batch.selected_by else None,
        "labeled_at": copy.of.labeled_at,
        "propagated_from": copy.of.external_id,
        "propagated_height": copy.height,
        "propagated_radius": batch.copy_radius,
        ORIGIN: Origin.COPY,
    }
