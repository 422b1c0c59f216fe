"""Measure how far people agree: coefficients, pairs of people, confused classes, and each person's confusions.

The answers to the same items are compared with user keys and class indices in place of names, which may change.
"""

import datetime
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Annotated, Any

import numpy as np
from django.db.models import Count, Max, Sum
from scipy import sparse

from labeling.insight.annotators import Rate, rate
from labeling.insight.bootstrap import Estimate, Votes, estimates
from labeling.insight.coefficients import by_class, confusions, divided, ordinal, overall
from labeling.insight.coefficients import pairs as pairs_of
from labeling.insight.share_intervals import ENOUGH
from labeling.models import Annotation, Project, User, WorkLog
from labeling.questions import Question
from labeling.queue import gold

SAMPLE = 20_000
"""The most items with several answers that are compared, the newest first."""
ANSWERS = 200_000
"""The items come from the newest batches that together have about this many answers."""
PEOPLE = 30
"""The most active people of whom each pair is compared."""
CONFUSIONS = 100
"""The most confusions of classes, the most frequent first."""

BatchAnswers = tuple[int, int, int, datetime.datetime]
"""A batch, the numbers of its answers and skips, and the time of the last one."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The agreement of two annotators; null where they share too few items."""

    people: tuple[str, str]
    items: Annotated[int, "That both answered."]
    differing: Annotated[int, "Of these, items that they answered differently."]
    percent: Estimate | None
    kappa: Annotated[Estimate | None, "Cohen's κ."]


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """The answers of one class."""

    index: int
    name: str
    items: Annotated[int, "The number of items for which at least one person chose it."]
    divided: Annotated[int, "Of these, items for which another person did not choose it."]
    same: Annotated[Estimate | None, "How often another person chose it, too, if one person did."]


@dataclass(frozen=True, slots=True)
class Confusion:
    """Two classes that different annotators gave to the same items."""

    classes: tuple[str, str]
    items: int


@dataclass(frozen=True, slots=True)
class Cell:
    """How often an annotator answered one class where another was right; null: a class of `multi` not chosen."""

    answered: str | None
    expected: str | None
    n: int


@dataclass(frozen=True, slots=True)
class PersonConfusion:
    """One annotator's answers compared with the right ones."""

    username: str
    right: Rate
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of a project. A coefficient is null for too few items, or if all answers are the same."""

    items: Annotated[int, "Items that several people answered, the newest 20,000."]
    answers: int
    people: int
    whole: Annotated[bool, "Whether these are all items with several answers."]
    percent: Annotated[Estimate | None, "Share of pairs of answers to an item that are the same."] = None
    cohen: Annotated[Estimate | None, "The mean of Cohen's κ over pairs of people."] = None
    fleiss: Annotated[Estimate | None, "Fleiss' κ."] = None
    alpha: Annotated[Estimate | None, "Krippendorff's α for names."] = None
    ordinal: Annotated[Estimate | None, "Krippendorff's α for the points of a scale (`score`)."] = None
    pairs: list[Pair] = field(default_factory=list)
    classes: list[ClassAgreement] = field(default_factory=list)
    confusions: Annotated[list[Confusion], "The most frequent 100; none for `multi`."] = field(default_factory=list)
    others: Annotated[list[PersonConfusion], "Against the label of the others' answers."] = field(default_factory=list)
    gold: Annotated[list[PersonConfusion], "Against known answers."] = field(default_factory=list)


def agreement_of(project: Project) -> Agreement:
    """Return the agreement on the newest items that several people answered.

    The queries read counters, gold answers and names; the comparison, which reads the answers, is cached until the
    counters change.
    """
    compared = _compare(project, f"{project.merged}{project.question}", *_newest_batches(project))
    known: dict[int, list[tuple[Any, Any]]] = defaultdict(list)
    for answer in gold.answers_of(project):
        known[answer.user].append((answer.value, answer.known))
    usernames = dict(User.objects.filter(pk__in={*compared.raters, *known}).values_list("pk", "username"))
    asks = project.asks
    values = (value for rows in known.values() for row in rows for value in row)
    indices = {*compared.codes, *(index for value in values for index in asks.counted(value))}
    names = project.answer_names(indices)
    return Agreement(
        items=compared.items,
        answers=compared.answers,
        people=len(compared.raters),
        whole=compared.whole,
        **compared.coefficients,
        pairs=[
            Pair((usernames[a], usernames[b]), n, differing, percent_of_pair, kappa)
            for a, b, n, differing, percent_of_pair, kappa in compared.pairs
        ],
        classes=[ClassAgreement(index, names[index], n, apart, same) for index, n, apart, same in compared.classes],
        confusions=[Confusion((names[a], names[b]), n) for a, b, n in compared.confusions],
        others=_confusions_of_people(asks, compared.others, usernames, names),
        gold=_confusions_of_people(asks, known, usernames, names),
    )


def _confusions_of_people(
    asks: Question, answers: Mapping[int, list[tuple[Any, Any]]], usernames: Mapping[int, str], names: Mapping[int, str]
) -> list[PersonConfusion]:
    """Return the confusions of people, most answers first, from (answer, right answer) by user key."""
    people = []
    for user, rows in answers.items():
        counts: Counter[tuple[int | None, int | None]] = Counter()
        for value, right in rows:
            counts.update(asks.confused(value, right))
        cells = [
            Cell(None if one is None else names[one], None if other is None else names[other], n)
            for (one, other), n in counts.most_common()
        ]
        right = rate(sum(value == expected for value, expected in rows), len(rows))
        people.append(PersonConfusion(usernames[user], right, cells))
    return sorted(people, key=lambda each: (-each.right.n, each.username))


@dataclass(frozen=True, slots=True)
class ComparedPeople:
    """The comparison, with the fields of `Agreement` but for names: people by key, classes by index. `coefficients`: by
    their names there; those that are None may be missing.
    """

    items: int
    answers: int
    whole: bool
    raters: list[int]
    codes: list[int]
    coefficients: dict[str, Estimate | None]
    pairs: list[tuple[int, int, int, int, Estimate | None, Estimate | None]]
    classes: list[tuple[int, int, int, Estimate | None]]
    confusions: list[tuple[int, int, int]]
    others: dict[int, list[tuple[Any, Any]]]


def _newest_batches(project: Project) -> tuple[tuple[BatchAnswers, ...], bool]:
    """Return the newest batches in which a task may have several answers, and whether these are all."""
    rows = (
        WorkLog.objects.by_people(project)
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
    return tuple(batches), whole


@lru_cache(maxsize=16)
def _compare(project: Project, meaning: str, batches: tuple[BatchAnswers, ...], whole: bool) -> ComparedPeople:
    """Compare the answers to the newest tasks of these batches. One query; each process caches the last results, until
    batches, answers or their `meaning` change.
    """
    asks = project.asks
    rows = _answers(project, [batch for batch, *_ in batches])
    raters = sorted({user for _, user, _ in rows})
    codes = sorted({index for _, _, value in rows for index in asks.counted(value)})
    others = _against_others(asks, rows)
    tasks = len({task for task, _, _ in rows})
    whole = whole and tasks < SAMPLE
    if not rows or not codes:  # an answer may be an empty list
        return ComparedPeople(tasks, len(rows), whole, raters, codes, {}, [], [], [], others)
    votes = _votes(asks, rows, raters, codes)
    most = np.argsort(-np.bincount(votes.rater), kind="stable")[:PEOPLE]
    pairs = pairs_of(votes.of(most), ENOUGH)
    statistics = [overall(votes), by_class(votes)]
    statistics += [ordinal(votes)] if asks.ordered else []
    statistics += [pairs.statistic] if len(pairs.measured) else []
    totals, classes, *optional = estimates(statistics)
    of_pairs = optional.pop() if len(pairs.measured) else [None]
    coefficients = dict(zip(("percent", "fleiss", "alpha", "cohen"), [*totals, of_pairs[-1]], strict=True))
    coefficients["ordinal"] = optional[0][0] if optional else None
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
        coefficients=coefficients if tasks >= ENOUGH else {},
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


def _answers(project: Project, batches: list[int]) -> list[tuple[int, int, Any]]:
    """Return (task, user, answer) of the newest tasks with several answers, in a fixed order.

    Only tasks that show no prediction: people tend to agree with the answer that they see.
    """
    answers = Annotation.objects.by_people().filter(task__batch__in=batches, task__is_gold=False, task__prompted=False)
    tasks = answers.values("task").annotate(n=Count("pk"), last=Max("created_at")).filter(n__gt=1)
    newest = tasks.order_by("-last", "-task").values("task")[:SAMPLE]
    rows = Annotation.objects.by_people().filter(task__in=newest).values_list("task", "user", "value")
    return sorted(((task, user, project.follow(value)) for task, user, value in rows), key=itemgetter(0, 1))


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
