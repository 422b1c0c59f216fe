"""The items themselves, for rows of an export: texts, vectors, and the bytes of files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from labeling.kinds import Kind
from labeling.models import Item
from labeling.outgoing.exports.files import AT_ONCE
from labeling.outgoing.formats import Page, Row
from labeling.outside import references

Content = tuple[Row, Any]
"""A row with its text, vector or bytes; None if the item has none."""


def with_contents(page: Page, kind: Kind) -> Iterator[Content]:
    """Yield the rows with the contents of their items; None for a file that was lost at its source. No more than one
    file is in memory.
    """
    if kind.is_file:
        rows = iter(page)
        while group := list(islice(rows, AT_ONCE)):
            lost = references.bring(row["media"] for row in group)
            for row in group:
                yield row, None if row["media"] in lost else _file(row["media"])
    elif kind.columns:
        for row in page:
            yield row, json.loads(row["data"]).get(kind.name)
    else:
        yield from zip(page, _vectors(page), strict=True)


def _vectors(page: Page) -> Iterator[np.ndarray | None]:
    items = Item.objects.filter(pk__in=[row["item"] for row in page])
    places = {pk: (name, offset) for pk, name, offset in items.values_list("pk", "media", "media_offset")}
    references.bring(name for name, _ in places.values())
    blocks: dict[str, np.ndarray] = {}
    for row in page:
        vector = references.read(*places.get(row["item"], ("", 0)), blocks)
        yield vector if isinstance(vector, np.ndarray) else None


def _file(name: str) -> bytes | None:
    return bytes(references.read(name, 0, {}) or b"") if name else None
