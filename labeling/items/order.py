"""In which order: pages by key, not by number, so that the last of a million rows is as near as the first.

Rows are items, or the tasks of a batch. An order has two parts: the rows that have what is sorted by, and behind them
all others. A position is a place between two rows. It is written into addresses, and stays right when rows come or
change.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from labeling.items.filters import Chosen, State, matching
from labeling.models import Item, Project

COUNTED = 10_000
EXAMINED = 10_000
_MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Order:
    """`field`: what is sorted by, if any; `read` turns its text into a value again. `tie`: a unique field, for rows
    that are level and those without a value. `having` says nothing new of rows with one, but lets an index be used.
    """

    title: str
    field: str = ""
    descending: bool = False
    read: Callable[[str], Any] = str
    tie: str = "id"
    tie_descending: bool = False
    having: Q | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Behind the row with this key: its part of the order, what is sorted by, its tie."""

    part: int
    value: Any
    tie: int

    def __str__(self) -> str:
        value = self.value.isoformat() if isinstance(self.value, datetime.datetime) else self.value
        return f"{self.part}~{'' if value is None else value}~{self.tie}"


@dataclass(frozen=True, slots=True)
class KeyPage:
    """The ties of some rows in order, and the positions where the pages before and behind them end and begin."""

    keys: list[int]
    before: Position | None
    after: Position | None


def finite(text: str) -> float:
    """The number. Raises `ValueError` for what is none, or has no end."""
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
    NEWEST: Order(
        "newest label",
        "labeled_at",
        descending=True,
        read=_time,
        tie_descending=True,
        having=Q(label__isnull=False),
    ),
    "agreement": Order("least agreement", "agreement", read=finite),
    "margin": Order("smallest margin", "task__margin", read=finite),
    "imported": Order("import"),
}
ALIKE = "alike"
SORTS = {**ORDERS, ALIKE: Order("most alike", "nearness", read=int)}
"""With what makes sense only where there is an item to be like."""


# States in which no item has a label: there is nothing to look for in the first part of these orders.
_WITHOUT_LABEL = (State.OPEN, State.UNLABELED, State.UNREADABLE, State.SKIPPED, State.UNDECIDED)


def order_for(chosen: Chosen, name: str) -> Order:
    """The order of that name, or else the most alike first where that is asked for, or the newest labels; for items
    that all lack what is sorted by, the plain one.
    """
    if "like" in chosen and name in ("", ALIKE):
        return SORTS[ALIKE]
    order = ORDERS.get(name, ORDERS[NEWEST])
    pointless = chosen.get("state") in _WITHOUT_LABEL and order.field in ("labeled_at", "agreement")
    return ORDERS["imported"] if pointless else order


def position_of(item: Item, order: Order, chosen: Chosen | None = None) -> Position:
    """Where the item itself is; needs its task selected with it, and what is looked for where the order follows it."""
    value: Any = None
    if order.field == "nearness":
        place = chosen["like"].place(item.pk) if chosen and "like" in chosen else None
        return Position(1 if place is None else 0, place, item.pk)
    if order.field == "task__margin":
        value = item.task.margin if hasattr(item, "task") else None
    elif order.field:
        value = getattr(item, order.field)
    return Position(1 if value is None else 0, value, item.pk)


def read_position(text: str, order: Order) -> Position:
    """A position from its text. Raises `ValueError` for what is none in this order."""
    part, value, tie = text.split("~")
    if part not in ("0", "1") or not tie.isascii() or not tie.isdigit() or int(tie) > _MAX_ID:
        raise ValueError("not a position")
    return Position(int(part), order.read(value) if part == "0" and order.field else None, int(tie))


def known_position(text: str | None, order: Order) -> Position | None:
    """A position from its text, or none for what is none in this order."""
    try:
        return read_position(text, order) if text else None
    except ValueError:
        return None


def page_after(rows: QuerySet[Any], order: Order, start: Position | None, n: int) -> KeyPage:
    """The `n` rows behind a position, or the first ones."""
    places = _take(rows, order, start, n + 1)
    return _page(places[:n], earlier=start is not None, later=len(places) > n)


def page_before(rows: QuerySet[Any], order: Order, end: Position, n: int) -> KeyPage:
    """The `n` rows in front of a position; the first page as a whole where fewer are left."""
    places = _take(rows, order, end, n + 1, backwards=True)
    if len(places) <= n:
        return page_after(rows, order, None, n)
    return _page(places[:n][::-1], earlier=True, later=True)


def _page(shown: list[Position], *, earlier: bool, later: bool) -> KeyPage:
    return KeyPage(
        [place.tie for place in shown],
        before=shown[0] if shown and earlier else None,
        after=shown[-1] if shown and later else None,
    )


def neighbours(rows: QuerySet[Any], order: Order, place: Position) -> tuple[int | None, int | None]:
    """The ties of the rows right in front of and behind a position."""
    earlier = _take(rows, order, place, 1, backwards=True)
    later = _take(rows, order, place, 1)
    return (earlier[0].tie if earlier else None, later[0].tie if later else None)


def count_matching(project: Project, chosen: Chosen) -> tuple[int, bool]:
    """How many items the filter lets through, as far as they are counted; and whether there may be more.

    Where a search has too many matches to be looked up, and something else is asked too, only so many items are looked
    at that have the rest.
    """
    words = chosen.get("q")
    if words is None or words.ids is not None or "like" in chosen:
        return count_up_to(matching(project, chosen))
    others = {name: value for name, value in chosen.items() if name != "q"}
    if others in ({}, {"excluded": False}):  # few items are excluded
        return COUNTED, True
    matches = list(matching(project, others).values_list(words.told_by_item(), flat=True)[: EXAMINED + 1])
    n = sum(matches[:EXAMINED])
    return min(n, COUNTED), n > COUNTED or len(matches) > EXAMINED


def count_up_to(rows: QuerySet[Any], most: int = COUNTED) -> tuple[int, bool]:
    """How many rows there are, but no further than `most`; and whether there are more."""
    n = rows.order_by().values("pk")[: most + 1].count()
    return min(n, most), n > most


def _take(
    rows: QuerySet[Any], order: Order, start: Position | None, n: int, *, backwards: bool = False
) -> list[Position]:
    """The places of up to `n` rows from a position on, in either direction. One query, or two where the parts meet.

    Only keys are read: to sort a million items together with their data takes many times longer.
    """
    places: list[Position] = []
    for part in (1, 0) if backwards else (0, 1):
        if part == 0 and not order.field:
            continue
        passed = start is not None and (part > start.part if backwards else part < start.part)
        if passed or len(places) >= n:
            continue
        there = start if start is not None and start.part == part else None
        more = rows_behind(rows, order, part, there, backwards)[: n - len(places)]
        if part == 0:
            places += [Position(0, value, tie) for tie, value in more.values_list(order.tie, order.field)]
        else:
            places += [Position(1, None, tie) for tie in more.values_list(order.tie, flat=True)]
    return places


def rows_behind(rows: QuerySet[Any], order: Order, part: int, start: Position | None, backwards: bool) -> QuerySet[Any]:
    """The rows of one part of the order behind a position in it, or in front of it and backwards."""
    if order.field:
        rows = rows.filter(**{f"{order.field}__isnull": part == 1})
    tie_sign, tie_beyond = _direction(backwards != (order.tie_descending and part == 0))
    behind = Q(**{f"{order.tie}__{tie_beyond}": start.tie}) if start else Q()
    if part == 1:
        return rows.filter(behind).order_by(f"{tie_sign}{order.tie}")
    sign, beyond = _direction(backwards != order.descending)
    if start:
        # The second condition says nothing new, but lets an index begin at the right place.
        behind = (Q(**{f"{order.field}__{beyond}": start.value}) | behind) & Q(
            **{f"{order.field}__{beyond}e": start.value}
        )
    return rows.filter(order.having or Q(), behind).order_by(f"{sign}{order.field}", f"{tie_sign}{order.tie}")


def _direction(down: bool) -> tuple[str, str]:
    return ("-", "lt") if down else ("", "gt")
