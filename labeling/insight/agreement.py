"""Measure how far people agree: coefficients, pairs of people, confused classes, and each person's confusions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from labeling.insight.annotators import Rate, rate
from labeling.insight.answers_compared import ComparedPeople, answer_facts, compare
from labeling.insight.bootstrap import Estimate
from labeling.models import Project, User
from labeling.questions import Question
from labeling.queue import gold


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people: the number of `items` that both answered, and of `differing` items to which their answers differ.

    `percent` and `kappa` are None with too few items.
    """

    people: tuple[str, str]
    items: int
    differing: int
    percent: Estimate | None = None
    kappa: Estimate | None = None


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """A class: the number of `items` for which a person chose it, and of `divided` items for which another did not.

    `same`: the share of the other answers to these items that chose it, too; None with too few items.
    """

    index: int
    name: str
    items: int
    divided: int
    same: Estimate | None


@dataclass(frozen=True, slots=True)
class Confusion:
    """The number of `items` on which one person chose the first class and another person the second."""

    classes: tuple[str, str]
    items: int


@dataclass(frozen=True, slots=True)
class Cell:
    """The number `n` of answers `answered` to items whose right answer is `expected`.

    If each class is a decision of its own, each class is counted by itself, and None means that it was not chosen.
    """

    answered: str | None
    expected: str | None
    n: int


@dataclass(frozen=True, slots=True)
class PersonConfusion:
    """One person's answers against the right answers; most frequent cells first."""

    username: str
    right: Rate
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of a project.

    A coefficient is None if several people answered too few `items`, or if all people always gave the same answer.
    `ordinal`: None unless the classes are points of a scale. `whole`: whether `items` are all items with several
    answers. `others`, `gold`: each person's answers against the label of the others, and against known answers.
    """

    items: int
    answers: int
    people: int
    whole: bool
    percent: Estimate | None = None
    cohen: Estimate | None = None
    fleiss: Estimate | None = None
    alpha: Estimate | None = None
    ordinal: Estimate | None = None
    pairs: list[Pair] = field(default_factory=list)
    classes: list[ClassAgreement] = field(default_factory=list)
    confusions: list[Confusion] = field(default_factory=list)
    others: list[PersonConfusion] = field(default_factory=list)
    gold: list[PersonConfusion] = field(default_factory=list)


def agreement_of(project: Project) -> Agreement:
    """Return the agreement on the newest items that several people answered.

    The queries read counters, gold answers and names; the comparison, which reads the answers, is cached until the
    counters change.
    """
    compared = compare(answer_facts(project))
    known: dict[int, list[tuple[Any, Any]]] = defaultdict(list)
    for answer in gold.answers_of(project):
        known[answer.user].append((answer.value, answer.known))
    usernames = dict(User.objects.filter(pk__in={*compared.raters, *known}).values_list("pk", "username"))
    asks = project.asks
    values = (value for rows in known.values() for row in rows for value in row)
    indices = {*compared.codes, *(index for value in values for index in asks.counted(value))}
    names = project.answer_names(indices)
    return _with_names(asks, compared, known, usernames, names)


def agreement_values(project: Project) -> dict[str, Any]:
    """Return the agreement as the dictionary that the API returns."""
    return asdict(agreement_of(project))


def _with_names(
    asks: Question,
    compared: ComparedPeople,
    known: Mapping[int, list[tuple[Any, Any]]],
    usernames: Mapping[int, str],
    names: Mapping[int, str],
) -> Agreement:
    percent, fleiss, alpha, cohen = compared.coefficients
    return Agreement(
        items=compared.items,
        answers=compared.answers,
        people=len(compared.raters),
        whole=compared.whole,
        percent=percent,
        cohen=cohen,
        fleiss=fleiss,
        alpha=alpha,
        ordinal=compared.ordinal,
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
