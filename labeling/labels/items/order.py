"""The orders of lists, and keyset pagination: the last page of a million rows is as quick as the first.

Rows are items, or the tasks of a batch. An order has two parts: first (part 0) the rows with a value in the sorted
field, then (part 1) the rows without. A position is the key of a row. Addresses contain positions, which stay valid
when rows are added or changed.
"""

import datetime
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from labeling.labels.items.item_filters import Chosen, State, matching
from labeling.models import Item, Project

COUNTED = 10_000
EXAMINED = 10_000
_MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Order:
    """An order of rows.

    Parameters
    ----------
    title: the words on the page.
    field: the sorted field; "" to sort by `tie` alone.
    descending: whether the largest value of `field` comes first.
    read: converts the text of a value in a position back to the value.
    tie: a unique field that orders rows with equal values and rows without a value.
    tie_descending: whether the largest tie comes first among equal values.
    having: a condition that all rows with a value meet, which lets the database use a partial index.
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
    """The key of a row in an order: its part, its value of the sorted field, its tie."""

    part: int
    value: Any
    tie: int

    def __str__(self) -> str:
        value = self.value.isoformat() if isinstance(self.value, datetime.datetime) else self.value
        return f"{self.part}~{'' if value is None else value}~{self.tie}"


@dataclass(frozen=True, slots=True)
class KeyPage:
    """A page: the ties of its rows in order, and the positions of its first and last row.

    `before` is None on the first page, `after` on the last one.
    """

    keys: list[int]
    before: Position | None
    after: Position | None


def finite(text: str) -> float:
    """Parse a number. Raises `ValueError` for other texts, infinities and NaN."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


def utc_time(text: str) -> datetime.datetime:
    """Return the time that `text` stands for in ISO 8601, with its zone. Raises `ValueError` for other texts."""
    value = datetime.datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError("a time needs its zone")
    try:
        return value.astimezone(datetime.UTC)  # databases store times in UTC
    except OverflowError:
        raise ValueError("beyond what a calendar holds") from None


NEWEST = "newest"
ORDERS = {
    NEWEST: Order(
        "newest label",
        "labeled_at",
        descending=True,
        read=utc_time,
        tie_descending=True,
        having=Q(label__isnull=False),
    ),
    "agreement": Order("least agreement", "agreement", read=finite),
    "margin": Order("smallest margin", "task__margin", read=finite),
    "imported": Order("import"),
}
ALIKE = "alike"
SORTS = {**ORDERS, ALIKE: Order("most alike", "nearness", read=int)}
"""All orders. `ALIKE` needs the filter `like`."""


# States of items without a label: the first part of the orders by label is empty.
_WITHOUT_LABEL = (State.OPEN, State.UNLABELED, State.UNREADABLE, State.SKIPPED, State.UNDECIDED)


def order_for(chosen: Chosen, name: str) -> Order:
    """Return the order with this name for the filtered items.

    Without a known name: by likeness with the filter `like`, or else the newest labels first. The order of import if a
    filter leaves only items without a value in the sorted field.
    """
    if "like" in chosen and name in ("", ALIKE):
        return SORTS[ALIKE]
    order = ORDERS.get(name, ORDERS[NEWEST])
    pointless = chosen.get("state") in _WITHOUT_LABEL and order.field in ("labeled_at", "agreement")
    return ORDERS["imported"] if pointless else order


def position_of(item: Item, order: Order, chosen: Chosen | None = None) -> Position:
    """Return the position of the item in the order. Select its task with it; the order by likeness needs `chosen`."""
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
    """Return the position that `text` stands for. Raises `ValueError` if the text is no position in this order."""
    part, value, tie = text.split("~")
    if part not in ("0", "1") or not tie.isascii() or not tie.isdigit() or int(tie) > _MAX_ID:
        raise ValueError("not a position")
    return Position(int(part), order.read(value) if part == "0" and order.field else None, int(tie))


def known_position(text: str | None, order: Order) -> Position | None:
    """Parse a position as `read_position` does, but return None for a missing or invalid text."""
    try:
        return read_position(text, order) if text else None
    except ValueError:
        return None


def page_after(rows: QuerySet[Any], order: Order, start: Position | None, n: int) -> KeyPage:
    """Return the page of `n` rows after a position, or the first page."""
    places = _positions(rows, order, start, n + 1)
    return _page(places[:n], earlier=start is not None, later=len(places) > n)


def page_before(rows: QuerySet[Any], order: Order, end: Position, n: int) -> KeyPage:
    """Return the page of `n` rows before a position; the first page if fewer rows are before it."""
    places = _positions(rows, order, end, n + 1, backwards=True)
    if len(places) <= n:
        return page_after(rows, order, None, n)
    return _page(places[:n][::-1], earlier=True, later=True)


def _page(shown: list[Position], *, earlier: bool, later: bool) -> KeyPage:
    return KeyPage(
        [place.tie for place in shown],
        before=shown[0] if shown and earlier else None,
        after=shown[-1] if shown and later else None,
    )


def rows_beside(rows: QuerySet[Any], order: Order, place: Position) -> tuple[int | None, int | None]:
    """Return the keys (the `tie` of the order) of the rows directly before and after a position in a list, for the
    links “previous” and “next”; None where the list ends.
    """
    earlier = _positions(rows, order, place, 1, backwards=True)
    later = _positions(rows, order, place, 1)
    return (earlier[0].tie if earlier else None, later[0].tie if later else None)


def count_matching(project: Project, chosen: Chosen) -> tuple[int, bool]:
    """Return the number of matching items, counted up to `COUNTED`; and whether more items may match.

    If a search has too many matches to list their ids, the other filters select up to `EXAMINED` items, and only these
    are checked against the search.
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
    """Return the number of rows, counted up to `most`; and whether there are more."""
    n = rows.order_by().values("pk")[: most + 1].count()
    return min(n, most), n > most


def _positions(
    rows: QuerySet[Any], order: Order, start: Position | None, n: int, *, backwards: bool = False
) -> list[Position]:
    """Return the positions of up to `n` rows from a position on, in either direction. Takes one query, or two across
    both parts.

    Reads only keys: to sort a million items together with their data takes many times longer.
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
    """Return the rows of one part of the order after a position in it; with `backwards`, the rows before it in
    reverse.
    """
    if order.field:
        rows = rows.filter(**{f"{order.field}__isnull": part == 1})
    tie_sign, tie_beyond = _direction(backwards != (order.tie_descending and part == 0))
    behind = Q(**{f"{order.tie}__{tie_beyond}": start.tie}) if start else Q()
    if part == 1:
        return rows.filter(behind).order_by(f"{tie_sign}{order.tie}")
    sign, beyond = _direction(backwards != order.descending)
    if start:
        # The second condition is implied by the first, but lets the database start in the index at the right place.
        behind = (Q(**{f"{order.field}__{beyond}": start.value}) | behind) & Q(
            **{f"{order.field}__{beyond}e": start.value}
        )
    return rows.filter(order.having or Q(), behind).order_by(f"{sign}{order.field}", f"{tie_sign}{order.tie}")


def _direction(down: bool) -> tuple[str, str]:
    return ("-", "lt") if down else ("", "gt")
