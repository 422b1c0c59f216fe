"""The draws of audits: the next ones to ask people about, and the outcomes of those that were asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from heapq import merge
from itertools import islice

import numpy as np
from django.db.models import Count, Max, Q
from django.db.models.functions import Coalesce

from labeling.certifying.errors import is_wrong
from labeling.certifying.plan import Plan, Target
from labeling.db.statements import among
from labeling.finishing.candidates import load
from labeling.models import Annotation, Audit, Copy, Correction, Project, Task
from labeling.models.items import ItemQuerySet
from labeling.questions import Stored

CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Draw:
    """A candidate by its place in the order of its audit's draws. `value`: the predicted answer, as `best` has it."""

    audit: Audit
    place: int
    item: int
    row: int
    value: int


class Outcome(Enum):
    """What people's answers say about a model's label."""

    RIGHT = "right"
    WRONG = "wrong"
    OPEN = "open"  # people are still to be asked
    UNDECIDED = "undecided"  # no task asks for more answers, and those given do not settle it


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The answers of an audit, for `labeling.certifying.proof.prove`: the draws before the first one not settled.

    ranks : (n,) int64, the candidates' ranks.
    wrong : (n,) bool, whether people found the label wrong.
    undecided : the items of draws, in their order, whose answers do not settle them although no task asks for more.
    """

    ranks: np.ndarray
    wrong: np.ndarray
    undecided: list[int]


def plan_of(audit: Audit) -> Plan:
    """Return the audit's plan, with the same weights, hypotheses and bets as when it was made."""
    return Plan(
        sizes=np.array(audit.sizes, np.int64),
        expected=np.array(audit.expected, np.float64),
        target=Target(audit.target_share, audit.target_constant),
        risk=audit.risk,
        missed=audit.missed,
    )


def next_draws(project: Project, n: int) -> list[Draw]:
    """Return the first `n` draws of all asking audits that no task asks about, those with a low place first.

    Left out are items that a batch has taken, and items that an open or ready batch shows as near-copies.
    """
    audits = project.audits.asking().order_by("pk")
    return list(islice(merge(*(_unasked(audit, n) for audit in audits), key=lambda draw: draw.place), n))


def next_decoys(project: Project, n: int) -> list[Draw]:
    """Return `n` draws from the ends of the orders, for tasks whose annotators see the prediction."""
    audits = project.audits.asking().order_by("pk")
    ends = (_unasked(audit, n, from_end=True) for audit in audits)
    return list(islice(merge(*ends, key=lambda draw: draw.place, reverse=True), n))


def _unasked(audit: Audit, n: int, *, from_end: bool = False) -> Iterator[Draw]:
    """Yield draws of unpicked items by place, read in chunks; `from_end`: the last place first."""
    candidates = load(audit)
    places = np.arange(len(candidates))[:: -1 if from_end else 1]
    for start in range(0, len(places), max(n, CHUNK)):
        part = places[start : start + max(n, CHUNK)]
        ranks = candidates.order[part]
        items = audit.project.items.unpicked().filter(pk__in=among(candidates.items[ranks].tolist()))
        free = set(items.exclude(pk__in=Copy.objects.on_screens().values("item")).values_list("pk", flat=True))
        for place, rank in zip(part.tolist(), ranks.tolist(), strict=True):
            if candidates.items[rank] in free:
                of_rank = (candidates.items, candidates.rows, candidates.values)
                yield Draw(audit, place, *(int(array[rank]) for array in of_rank))


def outcomes(audit: Audit) -> Outcomes:
    """Return what people's answers say about the audit's draws so far.

    A manager's correction decides. Else the answers to the item's tasks decide (`settle`): of each person the first one
    whose task showed no prediction. An item that all skipped, or that was excluded or deleted, counts as wrong. It does
    not matter why a batch took the item: the order of the draws was fixed before. A few queries for `CHUNK` draws.
    """
    candidates = load(audit)
    asked = audit.draws.filter(is_decoy=False).aggregate(n=Max("place") + 1)["n"] or 0
    ranks: list[int] = []
    wrong: list[bool] = []
    undecided: list[int] = []
    settled = True
    for start in range(0, len(candidates), CHUNK):
        if not settled and start >= asked:
            break
        part = candidates.order[start : start + CHUNK]
        items = candidates.items[part].tolist()
        found = _outcomes_of(audit, dict(zip(items, candidates.values[part].tolist(), strict=True)))
        for place, (rank, item) in enumerate(zip(part.tolist(), items, strict=True), start):
            outcome = found[item]
            settled = settled and outcome in (Outcome.RIGHT, Outcome.WRONG)
            if settled:
                ranks.append(rank)
                wrong.append(outcome is Outcome.WRONG)
            elif outcome is Outcome.UNDECIDED and place < asked:
                undecided.append(item)
    return Outcomes(np.array(ranks, np.int64), np.array(wrong, bool), undecided)


def _outcomes_of(audit: Audit, values: Mapping[int, int]) -> dict[int, Outcome]:
    """Return the outcome of each item. `values`: the model's answer by item."""
    project = audit.project
    differ = partial(
        is_wrong, project.asks, within=audit.within, of_class=audit.of_class if project.asks.per_class else None
    )
    items = project.items.filter(pk__in=among(values))
    kept = dict(items.kept().values_list("pk", "again_at"))
    corrections = Correction.objects.standing().filter(item__in=items)
    corrected = {item: project.follow(value) for item, value in corrections.values_list("item", "value")}
    tasks = Task.objects.of_items(items).order_by().values(key=Coalesce("item", "repeats"))
    unfinished: dict[int, int] = dict(
        tasks.annotate(n=Count("pk", filter=Q(outstanding__gt=0))).values_list("key", "n")
    )
    answers, answered = _answers_to(project, items)

    def outcome_of(item: int, value: Stored) -> Outcome:
        if item not in kept:
            return Outcome.WRONG
        if item in corrected:
            return Outcome.WRONG if differ(value, corrected[item]) else Outcome.RIGHT
        outcome = settle(value, answers[item], differ)
        if outcome is not Outcome.UNDECIDED:
            return outcome
        if unfinished.get(item, 1) or kept[item] is not None:
            return Outcome.OPEN
        return Outcome.UNDECIDED if item in answered else Outcome.WRONG

    return {item: outcome_of(item, project.follow(project.asks.as_answer(value))) for item, value in values.items()}


def _answers_to(project: Project, items: ItemQuerySet) -> tuple[Mapping[int, list[Stored]], set[int]]:
    """Return the answers to each of these items by time, of each person the first one whose task showed no prediction;
    and the items with any answer.
    """
    answers = Annotation.objects.answers().filter(task__in=Task.objects.of_items(items)).order_by("created_at", "pk")
    by_person: dict[tuple[int, int], Stored] = {}
    answered: set[int] = set()
    of_item = answers.annotate(key=Coalesce("task__item", "task__repeats"))
    for item, user, value, prompted in of_item.values_list("key", "user", "value", "task__prompted"):
        answered.add(item)
        if not prompted:
            by_person.setdefault((item, user), project.follow(value))
    values: dict[int, list[Stored]] = defaultdict(list)
    for (item, _), value in by_person.items():
        values[item].append(value)
    return values, answered


def settle(predicted: Stored, answers: Sequence[Stored], differ: Callable[[Stored, Stored], bool]) -> Outcome:
    """Return whether a model's answer is right by people's answers, in their order; `UNDECIDED` if they do not settle
    it.

    If the first one equals the model's answer, it is right. Otherwise it is settled when two answers are equal.

    >>> settle(1, [1], int.__ne__).value, settle(1, [2], int.__ne__).value, settle(1, [2, 3, 2], int.__ne__).value
    ('right', 'undecided', 'wrong')
    """
    others: list[Stored] = []
    agreeing = 0
    for answer in answers:
        if not differ(predicted, answer):
            agreeing += 1
            if not others or agreeing == 2:
                return Outcome.RIGHT
        elif all(differ(other, answer) for other in others):
            others.append(answer)
        else:
            return Outcome.WRONG
    return Outcome.UNDECIDED
