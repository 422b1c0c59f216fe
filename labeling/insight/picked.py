"""List a batch's tasks with the reason of each pick, in pages by key: the last page is as quick as the first."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labeling.labels.items.order import Order, Position, finite, known_position, rows_behind
from labeling.models import Annotation, Batch, Project, Task
from labeling.models.tasks import TaskQuerySet

NUMBER = re.compile(r"\d{1,15}", re.ASCII)
RANK = "rank"


def whole_number(text: str) -> int | None:
    """Return the text as a whole number of at most 15 digits, else None."""
    return int(text) if NUMBER.fullmatch(text.strip()) else None


def _whole_number(text: str) -> int:
    if (number := whole_number(text)) is None:
        raise ValueError("not a whole number")
    return number


ORDERS = {
    RANK: Order("rank", tie="rank"),
    "margin": Order("smallest margin", "margin", read=finite, tie="rank"),
    "-margin": Order("largest margin", "margin", descending=True, read=finite, tie="rank"),
    "cluster": Order("cluster", "cluster", read=_whole_number, tie="rank"),
}
PARTS = {"": "all", "picked": "picked", "control": "control"}


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """The filter and the order of the tasks. `draw_pass` counts from 0, as it is stored."""

    part: str = ""
    cluster: int | None = None
    draw_pass: int | None = None
    sort: str = RANK

    @property
    def filtered(self) -> bool:
        return bool(self.part) or self.cluster is not None or self.draw_pass is not None

    @property
    def query(self) -> dict[str, str]:
        """The parameters of a URL; there passes count from 1, as on pages."""
        values = {
            "part": self.part,
            "cluster": "" if self.cluster is None else str(self.cluster),
            "pass": "" if self.draw_pass is None else str(self.draw_pass + 1),
            "sort": "" if self.sort == RANK else self.sort,
        }
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Tasks in order, the position where the previous page ends, and the position where the next page begins."""

    tasks: list[Task]
    before: str
    after: str


def read_task_filter(query: Mapping[str, str]) -> TaskFilter:
    """Read the filter from a URL's parameters; ignore invalid values."""
    draw_pass = whole_number(query.get("pass", ""))
    return TaskFilter(
        part=part if (part := query.get("part", "")) in PARTS else "",
        cluster=whole_number(query.get("cluster", "")),
        draw_pass=draw_pass - 1 if draw_pass and draw_pass < 10**9 else None,
        sort=sort if (sort := query.get("sort", RANK)) in ORDERS else RANK,
    )


def tasks_of(batch: Batch, chosen: TaskFilter) -> TaskQuerySet:
    """Return the batch's picked tasks that match the filter, in no special order."""
    tasks = batch.tasks.picked()
    if chosen.part:
        tasks = tasks.filter(is_control=chosen.part == "control")
    if chosen.cluster is not None:
        tasks = tasks.filter(cluster=chosen.cluster)
    if chosen.draw_pass is not None:
        tasks = tasks.filter(draw_pass=chosen.draw_pass)
    return tasks


def order_of(batch: Batch, chosen: TaskFilter) -> Order:
    """Return the requested order; the order by rank for a batch without values for it, and for tasks of a cluster or
    pass, whose index has this order only.
    """
    order = ORDERS[chosen.sort]
    there = {"": True, "margin": batch.selected_by_id is not None, "cluster": bool(batch.clusters)}[order.field]
    return order if there and chosen.cluster is None and chosen.draw_pass is None else ORDERS[RANK]


def page_of(batch: Batch, chosen: TaskFilter, n: int, *, after: str = "", before: str = "") -> TaskPage:
    """Return the page of `n` tasks after or before a position, or the first page; ignore invalid positions. One query.

    Either all tasks of a batch have margins and clusters or none has, so an order has one part only.
    """
    order = order_of(batch, chosen)
    part = 0 if order.field else 1
    end, start = known_position(before, order), known_position(after, order)
    place, backwards = (end, True) if end else (start, False)
    if place and place.part != part:
        place, backwards = None, False
    tasks = tasks_of(batch, chosen).select_related("item__as_copy", "item__certified_label", "audit_draw")
    shown = list(rows_behind(tasks, order, part, place, backwards)[: n + 1])
    more, shown = len(shown) > n, shown[:n]
    if backwards and not more:
        return page_of(batch, chosen, n)
    if backwards:
        shown.reverse()
    return TaskPage(
        shown,
        before=_position_of(shown[0], order) if shown and place else "",
        after=_position_of(shown[-1], order) if more else "",
    )


def _position_of(task: Task, order: Order) -> str:
    return str(Position(0, getattr(task, order.field), task.rank) if order.field else Position(1, None, task.rank))


def names_on(project: Project, tasks: list[Task]) -> dict[int, str]:
    """Return the names of the classes on these tasks, labels or predictions, by index. Takes one query."""
    predicted = [project.asks.as_answer(task.predicted) for task in tasks if task.predicted is not None]
    return project.names_in([*predicted, *(task.shown.label for task in tasks)])


def flags_on(tasks: list[Task]) -> dict[int, str]:
    """Return the username of the person who flagged each flagged task, by the task's key. Takes one query."""
    flags: Any = Annotation.objects.standing().filter(task__in=tasks, flagged=True)
    return dict(flags.values_list("task_id", "user__username"))
