"""The draws of audits: the next ones to ask people about, and the outcomes of those that were asked."""

import operator
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from functools import partial
from heapq import merge
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from django.db.models import Max
from django.db.models.functions import Coalesce

from labeling.finishing.candidates import load
from labeling.finishing.certifying.plan import Plan, Target
from labeling.models import Annotation, Audit, Copy, Correction, Project, Task
from labeling.questions import Question, Stored
from labeling.storage.db.statements import among

CHUNK = 1000
MOST_TASKS = 6
"""The most tasks that ask about an item. Half of them show a prediction, in projects that show predictions."""


@dataclass(frozen=True, slots=True)
class Draw:
    """A candidate by its place in the order of its audit's draws. `value`: the predicted answer, as in `Candidates`.

    is_decoy : its annotators see the prediction, so its answer proves nothing.
    """

    audit: Audit
    place: int
    item: int
    row: int
    value: Any
    is_decoy: bool = False


class Outcome(Enum):
    """What people's answers say about a model's label."""

    RIGHT = "right"
    WRONG = "wrong"
    OPEN = "open"  # people are still to be asked
    UNDECIDED = "undecided"  # no task asks for more answers, and those given do not settle it


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of an item. `about`: the classes about which the label is wrong, for a question with a decision a
    class; None if it is wrong about all, as a label of an item that people cannot answer.
    """

    outcome: Outcome
    about: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The answers of an audit, for `certifying.proof.prove`: the draws before the first one not settled.

    ranks : (n,) int64, the candidates' ranks.
    wrong : (n,) bool, whether people found the label wrong. Of an audit of each class (n, k): about which class, with a
        column for each of `classes`, and one for all classes about which no label was found wrong.
    undecided : the items of draws, in their order, whose answers do not settle them although no task asks for more.
    awaited : the number of draws that were asked and do not count yet.
    """

    ranks: np.ndarray
    wrong: np.ndarray
    undecided: list[int]
    awaited: int
    classes: tuple[int, ...] = ()

    @property
    def against(self) -> np.ndarray:
        """(n,) bool, whether people found the label wrong, about any class."""
        return np.asarray(self.wrong if self.wrong.ndim == 1 else self.wrong.any(axis=1))


def plan_of(audit: Audit) -> Plan:
    """Return the audit's plan, with the same weights, hypotheses and bets as when it was made."""
    return Plan(
        sizes=np.array(audit.sizes, np.int64),
        expected=np.array(audit.expected, np.float64),
        target=Target(audit.target_share, audit.target_constant),
        risk=audit.risk,
        missed=audit.missed,
        bets=audit.bets,
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

    A manager's correction decides. Else the answers to the item's tasks that showed no prediction decide (`settle`;
    `settle_classes` where each class is a decision of its own). An item that all skipped, that was excluded or deleted,
    or that `MOST_TASKS` tasks asked about in vain, counts as wrong. It does not matter why a batch took the item: the
    order of the draws was fixed before. A few queries for `CHUNK` draws.
    """
    candidates = load(audit)
    asked = audit.draws.filter(is_decoy=False).aggregate(n=Max("place") + 1)["n"] or 0
    ranks: list[int] = []
    findings: list[Finding] = []
    undecided: list[int] = []
    settled = True
    for start in range(0, len(candidates), CHUNK):
        if not settled and start >= asked:
            break
        part = candidates.order[start : start + CHUNK]
        items = candidates.items[part].tolist()
        found = _outcomes_of(audit, dict(zip(items, candidates.values[part].tolist(), strict=True)))
        for place, (rank, item) in enumerate(zip(part.tolist(), items, strict=True), start):
            outcome = found[item].outcome
            settled = settled and outcome in (Outcome.RIGHT, Outcome.WRONG)
            if settled:
                ranks.append(rank)
                findings.append(found[item])
            elif outcome is Outcome.UNDECIDED and place < asked:
                undecided.append(item)
    wrong = np.array([each.outcome is Outcome.WRONG for each in findings], bool)
    classes: tuple[int, ...] = ()
    if audit.each_class:
        classes = tuple(sorted(frozenset().union(*(each.about or () for each in findings))))
        wrong = _by_class(wrong, findings, classes)
    return Outcomes(np.array(ranks, np.int64), wrong, undecided, max(asked - len(ranks), 0), classes)


def _by_class(wrong: np.ndarray, findings: Sequence[Finding], classes: Sequence[int]) -> np.ndarray:
    """Return whether each label is wrong about each of these classes, and about all others: (n, k) bool."""
    about = np.zeros((len(findings), len(classes) + 1), bool)
    column = {index: place for place, index in enumerate(classes)}
    for place in np.flatnonzero(wrong).tolist():
        found = findings[place].about
        about[place, slice(None) if found is None else [column[index] for index in found]] = True
    return about


def _outcomes_of(audit: Audit, values: Mapping[int, Any]) -> dict[int, Finding]:
    """Return what was found of each item. `values`: the model's answer by item."""
    project = audit.project
    judge = partial(_judge, project.asks, within=audit.within)
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
    given = Annotation.objects.deciding().filter(task__in=among(asked)).order_by("created_at", "pk")
    for task, value in given.values_list("task", "value"):
        item, _, prompted = asked[task]
        answers[item] += [] if prompted else [project.follow(value)]

    def found_of(item: int, value: Stored) -> Finding:
        if item not in kept:
            return Finding(Outcome.WRONG)
        if item in corrected:
            # The model's answer agrees with the correction, or the correction twice.
            return judge(value, [corrected[item]] * 2)
        found = judge(value, answers.get(item, []))
        if found.outcome is not Outcome.UNDECIDED:
            return found
        if not n_tasks[item] or item in unfinished or kept[item] is not None:
            return Finding(Outcome.OPEN)
        is_open = item in answers and n_tasks[item] < MOST_TASKS
        return Finding(Outcome.UNDECIDED if is_open else Outcome.WRONG)

    return {item: found_of(item, project.follow(project.asks.whole(value))) for item, value in values.items()}


def _judge(question: Question, predicted: Stored, answers: Sequence[Stored], *, within: int) -> Finding:
    """Return what people's answers say about a model's answer."""
    if question.per_class:
        return settle_classes(set(question.counted(predicted)), [set(question.counted(each)) for each in answers])
    return Finding(settle(predicted, answers, partial(question.is_wrong, within=within)))


def settle_classes(predicted: Set[int], answers: Sequence[Set[int]]) -> Finding:
    """Return whether the predicted classes of an item are right by people's answers: each class is settled by itself.

    >>> settle_classes({1, 2}, [{1}]).outcome.value, settle_classes({1, 2}, [{1}, {1, 3}]).about
    ('undecided', frozenset({2}))
    """
    if not answers:
        return Finding(Outcome.UNDECIDED)
    classes = frozenset(predicted).union(*answers)
    found = {
        index: settle(index in predicted, [index in answer for answer in answers], operator.ne) for index in classes
    }
    if Outcome.UNDECIDED in found.values():
        return Finding(Outcome.UNDECIDED)
    wrong = frozenset(index for index, outcome in found.items() if outcome is Outcome.WRONG)
    return Finding(Outcome.WRONG if wrong else Outcome.RIGHT, wrong)


Answer = TypeVar("Answer")


def settle(predicted: Answer, answers: Sequence[Answer], differ: Callable[[Answer, Answer], bool]) -> Outcome:
    """Return whether a model's answer is right by people's answers, in their order; `UNDECIDED` if they do not settle
    it.

    If the first one equals the model's answer, it is right. Otherwise it is settled when two answers are equal.

    >>> settle(1, [1], int.__ne__).value, settle(1, [2], int.__ne__).value, settle(1, [2, 3, 2], int.__ne__).value
    ('right', 'undecided', 'wrong')
    """
    others: list[Answer] = []
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
