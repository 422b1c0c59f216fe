"""Compare the answers of several people to the same items, with user keys and class indices in place of names."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from django.db.models import Count, Max, Sum
from scipy import sparse

from labeling.insight.bootstrap import Estimate, Votes, estimates
from labeling.insight.coefficients import by_class, confusions, divided, ordinal, overall
from labeling.insight.coefficients import pairs as pairs_of
from labeling.insight.share_intervals import ENOUGH
from labeling.models import Annotation, Project, WorkLog
from labeling.questions import Question

SAMPLE = 20_000
"""The most items with several answers that are compared, the newest first."""
ANSWERS = 200_000
"""The items come from the newest batches that together have about this many answers."""
PEOPLE = 30
"""The most active people of whom each pair is compared."""
CONFUSIONS = 100
"""The most confusions of classes, the most frequent first."""


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """The cache key of the comparison: equal facts give equal results."""

    project: Project = field(compare=False)
    key: int
    batches: tuple[tuple[int, int, int, datetime.datetime], ...]
    merged: str
    whole: bool


@dataclass(frozen=True, slots=True)
class ComparedPeople:
    """The result of the comparison: people by key, classes by index. `Agreement` has the same fields with names."""

    items: int
    answers: int
    whole: bool
    raters: list[int]
    codes: list[int]
    coefficients: list[Estimate | None]
    ordinal: Estimate | None
    pairs: list[tuple[int, int, int, int, Estimate | None, Estimate | None]]
    classes: list[tuple[int, int, int, Estimate | None]]
    confusions: list[tuple[int, int, int]]
    others: dict[int, list[tuple[Any, Any]]]


def answer_facts(project: Project) -> AnswerFacts:
    """Return the newest batches in which a task may have several answers, and the numbers and time of their answers."""
    rows = (
        WorkLog.objects.filter(batch__project=project)
        .values_list("batch", "batch__overlap", "batch__size", "batch__remaining")
        .annotate(n=Sum("answers"), skips=Sum("skips"), last=Max("last_at"))
        .order_by("-batch__number")
    )
    batches, answers, whole = [], 0, True
    for batch, overlap, size, remaining, n, skips, last in rows:
        if overlap > 1 or n + skips > size - remaining:
            if answers >= ANSWERS:
                whole = False
                break
            batches.append((batch, n, skips, last))
            answers += n
    return AnswerFacts(project, project.pk, tuple(batches), f"{project.merged}{project.question}", whole)


@lru_cache(maxsize=16)
def compare(facts: AnswerFacts) -> ComparedPeople:
    """Compare the answers to the newest tasks of these batches. One query; each process caches the last results."""
    asks = facts.project.asks
    rows, whole = _answers(facts)
    raters = sorted({user for _, user, _ in rows})
    codes = sorted({index for _, _, value in rows for index in asks.counted(value)})
    others = _against_others(asks, rows)
    tasks = len({task for task, _, _ in rows})
    if not rows or not codes:  # an answer may be an empty list
        return ComparedPeople(tasks, len(rows), whole, raters, codes, [None] * 4, None, [], [], [], others)
    votes = _votes(asks, rows, raters, codes)
    most = np.argsort(-np.bincount(votes.rater), kind="stable")[:PEOPLE]
    pairs = pairs_of(votes.of(most), ENOUGH)
    statistics = [overall(votes), by_class(votes)]
    statistics += [ordinal(votes)] if asks.ordered else []
    statistics += [pairs.statistic] if len(pairs.measured) else []
    totals, classes, *optional = estimates(statistics)
    of_pairs = optional.pop() if len(pairs.measured) else [None]
    enough = tasks >= ENOUGH
    n = len(pairs.measured)
    measured = {int(place): (of_pairs[at], of_pairs[n + at]) for at, place in enumerate(pairs.measured)}
    chosen = statistics[1].sizes
    apart = divided(votes)
    return ComparedPeople(
        items=tasks,
        answers=len(rows),
        whole=whole,
        raters=raters,
        codes=codes,
        coefficients=[*totals, of_pairs[-1]] if enough else [None] * 4,
        ordinal=optional[0][0] if optional and enough else None,
        pairs=[
            (raters[a], raters[b], int(n), int(differing), *measured.get(place, (None, None)))
            for place, ((a, b), n, differing) in enumerate(zip(pairs.people, pairs.items, pairs.differing, strict=True))
        ],
        classes=[
            (code, int(n), int(apart[place]), classes[place] if n >= ENOUGH else None)
            for place, (code, n) in enumerate(zip(codes, chosen, strict=True))
        ],
        confusions=[] if asks.per_class else _confusions(votes, codes),
        others=others,
    )


def _answers(facts: AnswerFacts) -> tuple[list[tuple[int, int, Any]], bool]:
    """Return (task, user, answer) of the newest tasks with several answers, in a fixed order, and whether these are
    all.

    Only tasks that show no prediction: people tend to agree with the answer that they see.
    """
    answers = Annotation.objects.answers().filter(
        task__batch__in=[batch for batch, *_ in facts.batches], task__is_gold=False, task__prompted=False
    )
    tasks = answers.values("task").annotate(n=Count("pk"), last=Max("created_at")).filter(n__gt=1)
    newest = tasks.order_by("-last", "-task").values("task")[:SAMPLE]
    rows = Annotation.objects.answers().filter(task__in=newest).values_list("task", "user", "value")
    follow = facts.project.follow
    result = sorted(((task, user, follow(value)) for task, user, value in rows), key=lambda row: row[:2])
    return result, facts.whole and len({task for task, *_ in result}) < SAMPLE


def _votes(asks: Question, rows: Sequence[tuple[int, int, Any]], raters: list[int], codes: list[int]) -> Votes:
    items = {task: place for place, task in enumerate(dict.fromkeys(task for task, _, _ in rows))}
    chosen = [np.searchsorted(codes, asks.counted(value)) for _, _, value in rows]
    ends = np.cumsum([0, *(len(each) for each in chosen)])
    columns = np.concatenate(chosen).astype(int)
    return Votes(
        items=len(items),
        item=np.array([items[task] for task, _, _ in rows]),
        rater=np.searchsorted(raters, [user for _, user, _ in rows]),
        chosen=sparse.csr_array((np.ones(len(columns)), columns, ends), shape=(len(rows), len(codes))),
        per_class=asks.per_class,
    )


def _confusions(votes: Votes, codes: list[int]) -> list[tuple[int, int, int]]:
    entries = confusions(votes)
    order = np.argsort(-entries.data, kind="stable")[:CONFUSIONS]
    return [(codes[entries.row[at]], codes[entries.col[at]], int(entries.data[at])) for at in order]


def _against_others(asks: Question, rows: Sequence[tuple[int, int, Any]]) -> dict[int, list[tuple[Any, Any]]]:
    """Return, by user, (answer, label of the other people's answers) for each task on which that label is clear."""
    tasks: dict[int, list[tuple[int, Any]]] = defaultdict(list)
    for task, user, value in rows:
        tasks[task].append((user, value))
    results: dict[int, list[tuple[Any, Any]]] = defaultdict(list)
    for answers in tasks.values():
        for user, value in answers:
            label = label_of_others(asks, [other for name, other in answers if name != user])
            if label is not None:
                results[user].append((value, label))
    return dict(results)


def label_of_others(asks: Question, answers: Sequence[Any]) -> Any:
    """Return the label of these answers; None without answers, or if they are divided.

    >>> from labeling.questions import QUESTIONS
    >>> label_of_others(QUESTIONS["single"], [1, 1, 2]), label_of_others(QUESTIONS["single"], [1, 2])
    (1, None)
    """
    return asks.settle_clearly(answers) if answers else None
