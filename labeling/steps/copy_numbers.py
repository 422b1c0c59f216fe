"""Compute how many near-copies each task of a batch shows, so that the number does not reveal the kind of task.

Items of different kinds of tasks have different numbers of near-copies: items that the model doubts lie in small
clusters, while random items such as control and gold items lie in larger ones. So all kinds show as many copies as the
kind with the fewest: docs/decisions/09-near-copies.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from django.db.models import Count
from django.db.models.functions import Coalesce

from labeling.models import Batch, Copy
from labeling.models.items import ItemQuerySet
from labeling.models.project_settings import MOST_COPIES
from labeling.storage.db.statements import among
from selector.dendrogram import Dendrogram
from selector.equal_copies import filled_up, law_of, lowest, shown_alike
from selector.near_copies import NearCopies, near_copies

MOST_OTHERS = 1000
"""The most items of a kind outside the batch whose near-copies are counted, to estimate the kind's distribution."""
VISITS, MOST_GROUPS = 5_000_000, 20
"""These items are counted in groups, and each group visits all items of the dendrogram. There are at least two groups,
at most MOST_GROUPS, and as many as VISITS visits allow.
"""
CHUNK = 2000
TASK = [
    *((name, np.int64) for name in ("key", "item", "row", "showing")),
    *((name, bool) for name in ("gold", "again", "control", "audit", "asked")),
]


class TaskKind(IntEnum):
    """The kinds of tasks whose items have different numbers of near-copies."""

    PICKED = 0  # by the strategy
    CONTROL = 1
    GOLD = 2
    AGAIN = 3
    AUDIT = 4
    ASKED = 5  # a manager asked for it, it checks a near-copy, or it covers the pool


SETTING = (TaskKind.PICKED, TaskKind.CONTROL, TaskKind.GOLD, TaskKind.AGAIN, TaskKind.AUDIT)
"""The kinds that decide how many copies all tasks show. ASKED is not among them: checks have few copies, and a few
checks would lower the numbers of all tasks.
"""


@dataclass(frozen=True, slots=True)
class Tasks:
    """Tasks of a batch, (k,) each: keys, keys and rows of their items, kinds, and how many near-copies they show."""

    keys: np.ndarray
    items: np.ndarray
    rows: np.ndarray
    kinds: np.ndarray
    showing: np.ndarray


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The search among free items (n,) bool of the dendrogram, up to the height `reach`: at most `most` for an item."""

    dendrogram: Dendrogram
    free: np.ndarray
    reach: float
    most: int

    def copies(self, rows: np.ndarray) -> NearCopies:
        """Return the near-copies of the items with these distinct rows, all of them rows of the dendrogram."""
        return near_copies(self.dendrogram, rows, self.free, radius=self.reach, most=self.most)

    def count(self, rows: np.ndarray, beside: np.ndarray) -> np.ndarray:
        """Return the number of near-copies (k,) of each item, if the batch asked about these rows and `beside`."""
        n = len(self.free)
        together = np.union1d(rows[rows < n], beside)
        numbers = np.bincount(together[self.copies(together).owners], minlength=n)
        return np.where(rows < n, numbers[np.minimum(rows, n - 1)], 0)


def unseen_tasks(batch: Batch) -> Tasks:
    """Return the tasks that were never assigned, by key. Annotators have seen the copies of all others."""
    facts = batch.tasks.unseen().order_by("pk").values_list(
        "pk", Coalesce("item", "repeats"), Coalesce("item__row", "repeats__row"), Coalesce("copies_shown", MOST_COPIES),
        "is_gold", "repeats", "is_control", "audit_draw", "asked",
    )  # fmt: skip
    # Straight into the array: a list of tuples would take ten times its memory.
    values = np.fromiter(facts.iterator(chunk_size=CHUNK), TASK)
    kinds = np.select(
        [values["gold"], values["again"], values["control"], values["audit"], values["asked"]],
        [TaskKind.GOLD, TaskKind.AGAIN, TaskKind.CONTROL, TaskKind.AUDIT, TaskKind.ASKED],
        TaskKind.PICKED,
    )
    return Tasks(values["key"], values["item"], values["row"], kinds, values["showing"])


def stored_copies(items: np.ndarray) -> np.ndarray:
    """Return the number of stored near-copies (k,) of the items with these keys that tasks can still show.

    The near-copies of a check are the other copies of its source: `labeling.queue.copy_answers.shown_beside`.
    """
    showable, keys = Copy.objects.showable(), items.tolist()
    of_item = showable.filter(of__in=among(keys)).values_list("of").annotate(n=Count("pk"))
    checks = dict(Copy.objects.filter(is_check=True, item__in=among(keys)).values_list("item", "of"))
    of_source = dict(
        showable.filter(of__in=among(list(checks.values()))).values_list("of").annotate(n=Count("pk")).order_by()
    )
    beside = {item: of_source.get(source, 0) for item, source in checks.items()}
    numbers: np.ndarray = _of_each(items, dict(of_item.order_by())) + _of_each(items, beside)
    return numbers


def numbers_shown(
    batch: Batch, tasks: Tasks, neighbours: Neighbours, numbers: np.ndarray, asked: np.ndarray
) -> np.ndarray:
    """Return the number of near-copies (k,) that each of these tasks shows, at most the `numbers` (k,) that its item
    has.

    asked: the rows of the dendrogram that the batch asks about.
    """
    project, most = batch.project, neighbours.most
    subject = f"{batch.number}/{batch.selection}"
    rng = np.random.default_rng(int.from_bytes(project.keyed("copies shown", subject), "big"))
    shown = np.zeros(len(numbers), np.int64)
    if not len(numbers):
        return shown
    known = {}
    for kind in map(TaskKind, np.unique(tasks.kinds).tolist()):
        others = _of_others(batch, tasks, kind, neighbours, asked, rng)
        known[kind] = np.concatenate([numbers[tasks.kinds == kind], others])
    laws = {kind: law_of(of_kind, most) for kind, of_kind in known.items()}
    # A few items must not decide for all tasks, so a kind of few items is filled up with picked ones.
    rest = laws.get(TaskKind.PICKED, law_of(numbers, most))
    setting = [filled_up(laws[kind], len(known[kind]), rest) for kind in SETTING if kind in laws]
    target, chance = lowest(setting or [rest]), rng.random(len(numbers))
    for kind, law in laws.items():
        of_kind = tasks.kinds == kind
        shown[of_kind] = shown_alike(numbers[of_kind], law, target, chance[of_kind])
    return shown


def _of_others(
    batch: Batch, tasks: Tasks, kind: TaskKind, neighbours: Neighbours, asked: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the numbers of near-copies of items that the batch could have asked about in place of its own items of
    this kind.

    Empty for kinds without candidates.
    """
    candidates = _candidates(batch, kind)
    if candidates is None:
        return np.empty(0, np.int64)
    values = np.array(list(candidates.order_by("pk").values_list("pk", "row")), np.int64).reshape(-1, 2)
    values = values[~np.isin(values[:, 1], np.concatenate([asked, tasks.rows]))]
    items, rows = values[rng.permutation(len(values))[:MOST_OTHERS]].T
    if not len(rows):
        return np.empty(0, np.int64)
    # Groups no larger than the batch's own: beside more items, each item has fewer near-copies.
    own = tasks.rows[tasks.kinds == kind]
    beside = np.setdiff1d(asked, own)
    groups = min(MOST_GROUPS, max(2, VISITS // len(neighbours.free)), -(-len(rows) // len(own)))
    counted = [neighbours.count(group, beside) for group in np.array_split(rows, groups)]
    numbers: np.ndarray = np.minimum(np.concatenate(counted) + stored_copies(items), neighbours.most)
    return numbers


def _candidates(batch: Batch, kind: TaskKind) -> ItemQuerySet | None:
    """Return the items that the tasks of this kind are a sample of; None if they are no sample."""
    items = batch.project.items.all()
    if batch.pool_rows is not None:
        items = items.filter(row__lt=batch.pool_rows)
    if kind == TaskKind.CONTROL:
        return items.unlabeled().control()
    if kind == TaskKind.GOLD:
        return items.gold_to_ask()
    return None


def _of_each(items: np.ndarray, numbers: Mapping[int, int]) -> np.ndarray:
    return np.array([numbers.get(item, 0) for item in items.tolist()], np.int64)
