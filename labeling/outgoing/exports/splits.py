"""The split of an exported item. It follows from the hash of its group or its id, so it is the same in each export.

A near-copy without a group goes with the item that it is a near-copy of. The project keeps this link for good, whatever
people answered and whether they labeled the near-copy itself, too.
"""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from labeling.intake.row_labels import ORIGIN
from labeling.labels.resolving.origins import Origin
from labeling.models import Copy, Project
from labeling.outgoing.formats import Page, Row

SHARES = (("train", 0.8), ("validation", 0.9), ("test", 1.0))
"""The splits, each with the end of its part of all hashes."""

_ENDS = [end for _, end in SHARES[:-1]]

SPLITS = [f"{part}{split}" for part in ("", f"{Origin.CERTIFIED}_") for split, _ in SHARES]
"""All values of `split`, in their order. Certified labels have splits of their own."""

GROUP = "group"
"""The imported field whose items stay in one split: of one patient, one film, one place."""


class _Source(NamedTuple):
    """The item of which another one is a near-copy."""

    item: int
    external_id: str
    group: str


def with_splits(project: Project, pages: Iterable[Page]) -> Iterator[Page]:
    """Add `split` to the rows. One query; in a project with near-copies, one or a few for each page."""
    has_copies = Copy.objects.filter(batch__project=project).exists()
    for page in pages:
        sources = _sources({row["item"] for row in page}) if has_copies else {}
        for row in page:
            split = split_of(_representative(row, sources))
            row["split"] = f"{Origin.CERTIFIED}_{split}" if row[ORIGIN] == Origin.CERTIFIED else split
        yield page


def split_of(name: str) -> str:
    """Return the split of an item or a group with this name: 80 % train, 10 % validation, 10 % test.

    >>> split_of("item-0001")
    'train'
    """
    share = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2**64
    return SHARES[bisect_right(_ENDS, share)][0]


def _representative(row: Row, sources: Mapping[int, _Source]) -> str:
    """Return the row's group; without one that of the item at the end of its chain of near-copies, or its id."""
    name, group, item = row["external_id"], _group(row["data"]), row["item"]
    for _ in sources:  # no chain is longer
        if group or item not in sources:
            break
        item, name, group = sources[item]
    return group or name


def _sources(items: set[int]) -> dict[int, _Source]:
    """Return the sources of near-copies among these items, and the sources of these sources, by near-copy."""
    sources: dict[int, _Source] = {}
    while items:
        copies = Copy.objects.filter(item__in=items).values_list("item", "of", "of__external_id", "of__data")
        found = {item: _Source(of, name, _text(data.get(GROUP))) for item, of, name, data in copies}
        items = {source.item for source in found.values()} - sources.keys() - found.keys()
        sources |= found
    return sources


def _group(data: str) -> str:
    """Return the group among an item's fields, which are JSON; "" without one."""
    return _text(json.loads(data).get(GROUP)) if f'"{GROUP}"' in data else ""


def _text(group: Any) -> str:
    return "" if group is None else str(group)
