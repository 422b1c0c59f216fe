"""The draws of audits: the next ones to ask people about, and the outcomes of those that were asked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from heapq import merge
from itertools import islice

import numpy as np
from django.db.models import Max
from django.db.models.functions import Coalesce

from labeling.certifying.errors import is_wrong
from labeling.certifying.plan import Plan, Target
from labeling.db.statements import among
from labeling.finishing.candidates import load
from labeling.models import Annotation, Audit, Copy, Correction, Project, Task
from labeling.questions import Stored

CHUNK = 1000
MOST_TASKS = 6
"""The most tasks that ask about an item. Half of them show a prediction, in projects that show predictions."""


@dataclass(frozen=True, slots=True)
class Draw:
    """A candidate by its place in the order of its audit's draws. `value`: the predicted answer, as `best` has it.

    is_decoy : its annotators see the prediction, so its answer proves nothing.
    """

    audit: Audit
    place: int
    item: int
    row: int
    value: int
    is_decoy: bool = False


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
    awaited : the number of draws that were asked and do not count yet.
    """

    ranks: np.ndarray
    wrong: np.ndarray
    undecided: list[int]
    awaited: int


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

    Left out are items that a batch has taken or a manager queued, and items that an open or ready batch shows as
    near-copies.
    """
    audits = project.audits.asking().order_by("pk")
    return list(islice(merge(*(_unasked(audit, n) for audit in audits), key=lambda draw: draw.place), n))


def next_decoys(project: Project, n: int, *, besides: Container[int]) -> list[Draw]:
    """Return `n` decoys from the ends of the orders, without the rows `besides`."""
    audits = project.audits.asking().order_by("pk")
    ends = merge(*(_unasked(audit, n, decoys=True) for audit in audits), key=lambda draw: draw.place, reverse=True)
    return list(islice((draw for draw in ends if draw.row not in besides), n))


def _unasked(audit: Audit, n: int, *, decoys: bool = False) -> Iterator[Draw]:
    """Yield draws of unpicked items by place, read in chunks; or decoys, from the last place on."""
    candidates = load(audit)
    places = np.arange(len(candidates))[:: -1 if decoys else 1]
    for start in range(0, len(places), max(n, CHUNK)):
        part = places[start : start + max(n, CHUNK)]
        ranks = candidates.order[part]
        items = audit.project.items.unpicked().filter(queued_at=None, pk__in=among(candidates.items[ranks].tolist()))
        free = set(items.exclude(pk__in=Copy.objects.on_screens().values("item")).values_list("pk", flat=True))
        found = (candidates.items[ranks], candidates.rows[ranks], candidates.values[ranks])
        for place, item, row, value in zip(part.tolist(), *(array.tolist() for array in found), strict=True):
            if item in free:
                yield Draw(audit, place, item, row, value, is_decoy=decoys)


def outcomes(audit: Audit) -> Outcomes:
    """Return what people's answers say about the audit's draws so far.

    A manager's correction decides. Else the answers to the item's tasks that showed no prediction decide (`settle`). An
    item that all skipped, that was excluded or deleted, or that `MOST_TASKS` tasks asked about in vain, counts as
    wrong. It does not matter why a batch took the item: the order of the draws was fixed before. A few queries for
    `CHUNK` draws.
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
    return Outcomes(np.array(ranks, np.int64), np.array(wrong, bool), undecided, max(asked - len(ranks), 0))


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
    tasks = Task.objects.of_items(among(values)).values_list(
        "pk", Coalesce("item", "repeats"), "outstanding", "prompted"
    )
    asked = {pk: (item, left, prompted) for pk, item, left, prompted in tasks.order_by()}
    n_tasks = Counter(item for item, *_ in asked.values())
    unfinished = {item for item, left, _ in asked.values() if left}
    answers: dict[int, list[Stored]] = defaultdict(list)
    given = Annotation.objects.answers().filter(task__in=among(asked)).order_by("created_at", "pk")
    for task, value in given.values_list("task", "value"):
        item, _, prompted = asked[task]
        answers[item] += [] if prompted else [project.follow(value)]

    def outcome_of(item: int, value: Stored) -> Outcome:
        if item not in kept:
            return Outcome.WRONG
        if item in corrected:
            return Outcome.WRONG if differ(value, corrected[item]) else Outcome.RIGHT
        outcome = settle(value, answers.get(item, []), differ)
        if outcome is not Outcome.UNDECIDED:
            return outcome
        if not n_tasks[item] or item in unfinished or kept[item] is not None:
            return Outcome.OPEN
        return Outcome.UNDECIDED if item in answers and n_tasks[item] < MOST_TASKS else Outcome.WRONG

    return {item: outcome_of(item, project.follow(project.asks.as_answer(value))) for item, value in values.items()}


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
