"""A batch's tasks with why each was picked: in pages by key, the last of a million as near as the first."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from labeling.models import Annotation, Batch, Project, Task

COUNTED = 10_000
NUMBER = re.compile(r"\d{1,15}", re.ASCII)
RANK = "rank"


@dataclass(frozen=True, slots=True)
class Order:
    """What tasks are sorted by; tasks that are level come by rank."""

    title: str
    field: str = ""
    descending: bool = False


ORDERS = {
    RANK: Order("rank"),
    "margin": Order("smallest margin", "margin"),
    "-margin": Order("largest margin", "margin", descending=True),
    "cluster": Order("cluster", "cluster"),
}
PARTS = {"": "all", "picked": "picked", "control": "control"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks, in which order. `draw_pass` counts from 0, as it is stored."""

    part: str = ""
    cluster: int | None = None
    draw_pass: int | None = None
    sort: str = RANK

    @property
    def filtered(self) -> bool:
        return bool(self.part) or self.cluster is not None or self.draw_pass is not None

    @property
    def query(self) -> dict[str, str]:
        """As part of an address; passes count from 1 there, as on pages."""
        values = {
            "part": self.part,
            "cluster": "" if self.cluster is None else str(self.cluster),
            "pass": "" if self.draw_pass is None else str(self.draw_pass + 1),
            "sort": "" if self.sort == RANK else self.sort,
        }
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Some tasks in order, and the places where the pages before and behind them end and begin."""

    tasks: list[Task]
    before: str
    after: str


def whole_number(text: str) -> int | None:
    """The number, if the text is one that a column could hold."""
    return int(text) if NUMBER.fullmatch(text.strip()) else None


def read_wanted(given: Mapping[str, str]) -> Wanted:
    """What an address asks for; what cannot be read counts as not asked for."""
    draw_pass = whole_number(given.get("pass", ""))
    return Wanted(
        part=part if (part := given.get("part", "")) in PARTS else "",
        cluster=whole_number(given.get("cluster", "")),
        draw_pass=draw_pass - 1 if draw_pass and draw_pass < 10**9 else None,
        sort=sort if (sort := given.get("sort", RANK)) in ORDERS else RANK,
    )


def tasks_of(batch: Batch, wanted: Wanted) -> QuerySet[Task]:
    """The tasks that are looked for, in no special order."""
    found = Task.objects.filter(batch=batch)
    if wanted.part:
        found = found.filter(is_control=wanted.part == "control")
    if wanted.cluster is not None:
        found = found.filter(cluster=wanted.cluster)
    if wanted.draw_pass is not None:
        found = found.filter(draw_pass=wanted.draw_pass)
    return found


def count_up_to(tasks: QuerySet[Task], most: int = COUNTED) -> tuple[int, bool]:
    """How many tasks there are, but no further than `most`; and whether there are more."""
    found = tasks.order_by().values("pk")[: most + 1].count()
    return min(found, most), found > most


def order_of(batch: Batch, wanted: Wanted) -> Order:
    """The order asked for; by rank where the batch has not what is sorted by, and among the tasks of a cluster or pass:
    an index finds those in this order alone, and to sort them would mean to read all.
    """
    order = ORDERS[wanted.sort]
    there = {"": True, "margin": batch.selected_by_id is not None, "cluster": bool(batch.clusters)}[order.field]
    return order if there and wanted.cluster is None and wanted.draw_pass is None else ORDERS[RANK]


def page_of(batch: Batch, wanted: Wanted, n: int, *, after: str = "", before: str = "") -> TaskPage:
    """`n` tasks behind or in front of a place, or the first ones. One query; a place that is none counts as not given.

    A batch was picked with or without margins and clusters as a whole, so a field holds values or nothing but NULL.
    """
    order = order_of(batch, wanted)
    place, backwards = _read(before, order), True
    if place is None:
        place, backwards = _read(after, order), False
    found = _behind(tasks_of(batch, wanted).select_related("item"), order, place, backwards)
    tasks = list(found[: n + 1])
    more, shown = len(tasks) > n, tasks[:n]
    if backwards:
        return _page(shown[::-1], order, earlier=True, later=True) if more else page_of(batch, wanted, n)
    return _page(shown, order, earlier=place is not None, later=more)


def _page(shown: list[Task], order: Order, *, earlier: bool, later: bool) -> TaskPage:
    return TaskPage(
        shown,
        before=_place(shown[0], order) if shown and earlier else "",
        after=_place(shown[-1], order) if shown and later else "",
    )


def _place(task: Task, order: Order) -> str:
    value = getattr(task, order.field) if order.field else ""
    return f"{value!r}~{task.rank}" if order.field else f"~{task.rank}"


def _read(text: str, order: Order) -> tuple[float, int] | None:
    """The value and the rank of a place."""
    value, _, rank = text.partition("~")
    number = whole_number(rank)
    if number is None or bool(value) != bool(order.field):
        return None
    if not value:
        return 0, number
    try:
        read = float(value)
    except ValueError:
        return None
    return (read, number) if math.isfinite(read) and abs(read) < 2**53 else None


def _behind(tasks: QuerySet[Task], order: Order, place: tuple[float, int] | None, backwards: bool) -> QuerySet[Task]:
    down = backwards != order.descending
    field = order.field
    if place is not None and field:
        value, rank = place
        beyond, rank_beyond = "lt" if down else "gt", "lt" if backwards else "gt"
        # The second condition says nothing new, but lets an index begin at the right place.
        tasks = tasks.filter(
            Q(**{f"{field}__{beyond}": value}) | Q(**{f"rank__{rank_beyond}": rank}),
            **{f"{field}__{beyond}e": value},
        )
    elif place is not None:
        tasks = tasks.filter(**{f"rank__{'lt' if backwards else 'gt'}": place[1]})
    return tasks.order_by(*([f"{'-' if down else ''}{field}"] if field else []), f"{'-' if backwards else ''}rank")


def names_on(project: Project, tasks: list[Task]) -> dict[int, str]:
    """The names of the classes that occur on these tasks, as labels or as what the model took them for. One query."""
    if project.asks.answers:
        return {}
    indices: set[int] = {task.predicted for task in tasks if task.predicted is not None}
    for label in (task.item.label for task in tasks if task.item.label is not None):
        indices.update(label if isinstance(label, list) else [label])
    return project.class_names(indices)


def flags_on(tasks: list[Task]) -> dict[int, str]:
    """Who flagged which of the tasks. One query."""
    flags: Any = Annotation.objects.standing().filter(task__in=tasks, flagged=True)
    return dict(flags.values_list("task_id", "user__username"))
