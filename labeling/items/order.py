"""In which order: pages by key, not by number, so that the last of a million items is as near as the first.

An order has two parts: the items that have what is sorted by, and behind them, as they were imported, all others.
A position is a place between two items. It is written into addresses, and stays right when items come or change.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from labeling.items.filters import ItemFilter, State
from labeling.models import Item
from labeling.models.items import ItemQuerySet

COUNTED = 10_000
_MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Order:
    """`field`: what is sorted by, or nothing for the order of import. `read` turns its text into a value again."""

    title: str
    field: str = ""
    descending: bool = False
    read: Callable[[str], Any] = str


@dataclass(frozen=True, slots=True)
class Position:
    """Behind the item with this key: its part of the order, what is sorted by, its id."""

    part: int
    value: Any
    id: int

    def __str__(self) -> str:
        value = self.value.isoformat() if isinstance(self.value, datetime.datetime) else self.value
        return f"{self.part}~{'' if value is None else value}~{self.id}"


@dataclass(frozen=True, slots=True)
class ItemPage:
    """The ids of some items in order, and the positions where the pages before and behind them end and begin."""

    ids: list[int]
    before: Position | None
    after: Position | None


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


def _time(text: str) -> datetime.datetime:
    value = datetime.datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError("a time needs its zone")
    try:
        return value.astimezone(datetime.UTC)  # as databases keep it
    except OverflowError:
        raise ValueError("beyond what a calendar holds") from None


NEWEST = "newest"
ORDERS = {
    NEWEST: Order("newest label", "labeled_at", descending=True, read=_time),
    "agreement": Order("least agreement", "agreement", read=_finite),
    "margin": Order("smallest margin", "task__margin", read=_finite),
    "imported": Order("import"),
}


# States in which no item has a label: there is nothing to look for in the first part of these orders.
_WITHOUT_LABEL = (State.OPEN, State.UNLABELED, State.UNREADABLE, State.SKIPPED)


def order_for(wanted: ItemFilter, name: str) -> Order:
    """The order of that name, or the newest labels first; for items that all lack what is sorted by, the plain one."""
    order = ORDERS.get(name, ORDERS[NEWEST])
    pointless = wanted.state in _WITHOUT_LABEL and order.field in ("labeled_at", "agreement")
    return ORDERS["imported"] if pointless else order


def position_of(item: Item, order: Order) -> Position:
    """Where the item itself is; needs its task selected with it."""
    value = None
    if order.field == "task__margin":
        value = item.task.margin if hasattr(item, "task") else None
    elif order.field:
        value = getattr(item, order.field)
    return Position(1 if value is None else 0, value, item.pk)


def read_position(text: str, order: Order) -> Position:
    """A position from its text. Raises `ValueError` for what is none in this order."""
    part, value, pk = text.split("~")
    if part not in ("0", "1") or not pk.isascii() or not pk.isdigit() or int(pk) > _MAX_ID:
        raise ValueError("not a position")
    return Position(int(part), order.read(value) if part == "0" and order.field else None, int(pk))


def page_after(items: ItemQuerySet, order: Order, start: Position | None, n: int) -> ItemPage:
    """The `n` items behind a position, or the first ones."""
    found = _take(items, order, start, n + 1)
    return _page(found[:n], earlier=start is not None, later=len(found) > n)


def page_before(items: ItemQuerySet, order: Order, end: Position, n: int) -> ItemPage:
    """The `n` items in front of a position; the first page as a whole where fewer are left."""
    found = _take(items, order, end, n + 1, backwards=True)
    if len(found) <= n:
        return page_after(items, order, None, n)
    return _page(found[:n][::-1], earlier=True, later=True)


def _page(shown: list[Position], *, earlier: bool, later: bool) -> ItemPage:
    return ItemPage(
        [place.id for place in shown],
        before=shown[0] if shown and earlier else None,
        after=shown[-1] if shown and later else None,
    )


def neighbours(items: ItemQuerySet, order: Order, place: Position) -> tuple[int | None, int | None]:
    """The ids of the items right in front of and behind a position."""
    earlier = _take(items, order, place, 1, backwards=True)
    later = _take(items, order, place, 1)
    return (earlier[0].id if earlier else None, later[0].id if later else None)


def count_up_to(items: ItemQuerySet, most: int = COUNTED) -> tuple[int, bool]:
    """How many items there are, but no further than `most`; and whether there are more."""
    found = items.order_by().values("pk")[: most + 1].count()
    return min(found, most), found > most


def _take(
    items: ItemQuerySet, order: Order, start: Position | None, n: int, *, backwards: bool = False
) -> list[Position]:
    """The places of up to `n` items from a position on, in either direction. One query, or two where the parts meet.

    Only keys are read: to sort a million items together with their data takes many times longer.
    """
    found: list[Position] = []
    for part in (1, 0) if backwards else (0, 1):
        if part == 0 and not order.field:
            continue
        passed = start is not None and (part > start.part if backwards else part < start.part)
        if passed or len(found) >= n:
            continue
        there = start if start is not None and start.part == part else None
        rows = _part(items, order, part, there, backwards)[: n - len(found)]
        if part == 0:
            found += [Position(0, value, pk) for pk, value in rows.values_list("pk", order.field)]
        else:
            found += [Position(1, None, pk) for pk in rows.values_list("pk", flat=True)]
    return found


def _part(items: ItemQuerySet, order: Order, part: int, start: Position | None, backwards: bool) -> ItemQuerySet:
    field = order.field if part == 0 else ""
    if order.field:
        items = items.filter(**{f"{order.field}__isnull": part == 1})
    if field == "labeled_at":
        items = items.labeled()  # says nothing new either, but is what the index is over
    down = backwards != (order.descending and part == 0)
    sign, beyond = ("-", "lt") if down else ("", "gt")
    if start is not None and field:
        # The first condition says nothing new, but lets an index begin at the right place.
        items = items.filter(
            Q(**{f"{field}__{beyond}": start.value}) | Q(**{f"id__{beyond}": start.id}),
            **{f"{field}__{beyond}e": start.value},
        )
    elif start is not None:
        items = items.filter(**{f"id__{beyond}": start.id})
    return items.order_by(*([f"{sign}{field}"] if field else []), f"{sign}id")
