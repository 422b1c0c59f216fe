"""Choose the items that a batch asks again: items that wait to be asked again, and gold items, whose answer is known.

Their tasks are added to the picked ones at random places, so that annotators cannot recognise them.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Count, Q

from labeling.finishing.goal import batch_size_of
from labeling.models import Batch, Project
from labeling.models.items import ItemQuerySet
from labeling.queue.prompting import suggests
from labeling.storage.db.statements import among


@dataclass(frozen=True, slots=True)
class Further:
    """Items asked again: keys, rows, whether their answer is known, (m,) each; their tasks' ranks, (m,) ascending."""

    items: np.ndarray
    rows: np.ndarray
    is_gold: np.ndarray
    ranks: np.ndarray

    def ranks_of_others(self, n: int) -> np.ndarray:
        """Return the ranks of the `n` picked items, ascending."""
        return np.setdiff1d(np.arange(n + len(self.ranks)), self.ranks, assume_unique=True)


def choose_further(project: Project, batch: Batch, picked: np.ndarray, *, pool_rows: int) -> Further:
    """Choose the items that wait longest to be asked again, at most `batch_size`, and the gold share's gold items,
    beside the `picked` items with these rows (n,).

    All are among the first `pool_rows` rows, as the picked items are. Later rows have no prediction, so that annotators
    would never see one on gold items that were imported late.

    Gold items have each known answer equally often (`evenly`), and a suggestion as often as the other items; the ranks
    are random, keyed by the project's secret. The same rows of the database give the same choice.
    """
    rng = np.random.default_rng(int.from_bytes(project.keyed("further", batch.number), "big"))
    again = list(
        project.items.asked_again().filter(row__lt=pool_rows).values_list("pk", "row")[: batch_size_of(project)]
    )
    others = np.array([*picked, *(row for _, row in again)], np.int64)
    n_gold = round(project.gold_share * len(others))
    gold = choose_gold(project, n_gold, {pk for pk, _ in again}, rng, pool_rows=pool_rows, beside=others)
    chosen = np.array([*again, *gold], np.int64).reshape(-1, 2)
    is_gold = np.arange(len(chosen)) >= len(again)
    order = rng.permutation(len(chosen))
    ranks = np.sort(rng.permutation(len(picked) + len(chosen))[: len(chosen)])
    return Further(chosen[order, 0], chosen[order, 1], is_gold[order], ranks)


def choose_gold(
    project: Project, n: int, without: set[int], rng: np.random.Generator, *, pool_rows: int, beside: np.ndarray
) -> list[tuple[int, int]]:
    """Return keys and rows of `n` gold items of the first `pool_rows` rows that are not in `without`; fewer if there
    are fewer.

    If annotators see suggestions, the items have one as often as the items with the rows `beside` (m,): see `divided`.
    """
    if n < 1:
        return []
    items = project.items.gold_to_ask().filter(row__lt=pool_rows).exclude(pk__in=without)
    if not len(beside) or not suggests(project):
        return _in_turn(project, items, n, rng)
    share = suggested_among(project, beside) / len(beside)
    suggested, others = items.suggested(), items.filter(suggestion__isnull=True)
    of_suggested, of_others = divided(n, share, suggested.count(), others.count(), rng)
    return _in_turn(project, suggested, of_suggested, rng) + _in_turn(project, others, of_others, rng)


def _in_turn(project: Project, items: ItemQuerySet, n: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return keys and rows of the first `n` of these gold items by `evenly`."""
    asked = Count("further_tasks", filter=Q(further_tasks__is_gold=True))
    rows: list[tuple[int, Any, Any, int]] = list(
        items.order_by("pk").annotate(asked=asked).values_list("pk", "row", "gold", "asked")
    )
    answers = [project.asks.key(project.follow(value)) for _, _, value, _ in rows]
    # A person answers an item once: more tasks for it than people would measure nothing.
    order = evenly(answers, [asked for *_, asked in rows], project.memberships.count(), rng)
    return [rows[place][:2] for place in order[:n]]


def suggested_among(project: Project, rows: np.ndarray) -> int:
    """Return how many of the items with these rows (n,) were imported with a suggestion."""
    return project.items.suggested().filter(row__in=among(rows.tolist())).count()


def divided(n: int, share: float, suggested: int, others: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return how many of `n` gold tasks ask about items with a suggestion, and how many about items without.

    In expectation `share` of them have one, as of the batch's other tasks: otherwise a suggestion on the screen, or
    none, would make gold more or less probable. So there are fewer tasks if either the `suggested` gold items or the
    `others` do not suffice, and none if one sort lacks that the batch has.

    >>> rng = np.random.default_rng(0)
    >>> divided(20, 0.5, 30, 30, rng), divided(20, 0.5, 30, 4, rng), divided(20, 0.5, 30, 0, rng)
    ((10, 10), (4, 4), (0, 0))
    """
    limits = [n, *([suggested / share] if share else []), *([others / (1 - share)] if share < 1 else [])]
    most = math.floor(min(limits))
    of_suggested = math.floor(share * most + rng.random())
    return of_suggested, most - of_suggested


def evenly(answers: Sequence[Hashable], asked: Sequence[int], people: int, rng: np.random.Generator) -> list[int]:
    """Order gold items by when to ask them next: places into `answers` and `asked` (times asked before).

    Each known answer comes equally often, so that a person gains nothing by always giving the most frequent answer.
    Among items with the same answer, the one asked least often is first. Items asked once per person come last.
    """
    chance = rng.permutation(len(answers)).tolist()
    least = sorted(range(len(answers)), key=lambda place: (asked[place] >= people, asked[place], chance[place]))
    turns = Counter[Hashable]()
    for answer, n in zip(answers, asked, strict=True):
        turns[answer] += n
    ranked = []
    for place in least:
        ranked.append((asked[place] >= people, turns[answers[place]], chance[place], place))
        turns[answers[place]] += 1
    return [place for *_, place in sorted(ranked)]
