"""Whether people answer alike: coefficients, pairs of people, classes that are confused, and who errs how."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from labeling.answering import gold
from labeling.insight.annotators import Rate, rate
from labeling.insight.bootstrap import Estimate
from labeling.insight.comparing import Compared, compare, facts_of
from labeling.models import Project, User
from labeling.questions import Question


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people: items that both answered, and `differing` ones of these; None where these are too few to tell."""

    people: tuple[str, str]
    items: int
    differing: int
    percent: Estimate | None = None
    kappa: Estimate | None = None


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """A class: items for which somebody chose it, `divided` ones where somebody else did not. `same`: how often another
    person chose it too, where one did; None where too few items tell.
    """

    index: int
    name: str
    items: int
    divided: int
    same: Estimate | None


@dataclass(frozen=True, slots=True)
class Confusion:
    """On so many `items` somebody chose the one class and somebody else the other."""

    classes: tuple[str, str]
    items: int


@dataclass(frozen=True, slots=True)
class Cell:
    """So many answers were `answered` where `expected` was right. Of a question that is answered per class, each class
    counts by itself; None: the class was not chosen.
    """

    answered: str | None
    expected: str | None
    n: int


@dataclass(frozen=True, slots=True)
class PersonConfusion:
    """What one person answered against what was right; most frequent cells first."""

    username: str
    right: Rate
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Agreement:
    """All of it. A coefficient is None where too few `items` were answered by several people, or where everybody always
    gave the same one answer. `ordinal`: None unless the classes are points of a scale. `whole`: whether all items with
    several answers are among these. `others`, `gold`: each person against the others' label, and known answers.
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
    """Of the newest items that several people answered. The queries are over counters, gold answers and names; the
    comparison, which reads the answers, is made again only when the counters have changed.
    """
    compared = compare(facts_of(project))
    known: dict[int, list[tuple[Any, Any]]] = defaultdict(list)
    for answer in gold.answers_of(project):
        known[answer.user].append((answer.value, answer.known))
    usernames = dict(User.objects.filter(pk__in={*compared.raters, *known}).values_list("pk", "username"))
    asks = project.asks
    values = (value for rows in known.values() for row in rows for value in row)
    indices = {*compared.codes, *(index for value in values for index in asks.counted(value))}
    names = project.answer_names(indices)
    return _named(asks, compared, known, usernames, names)


def agreement_values(project: Project) -> dict[str, Any]:
    """The same as the API gives it."""
    return asdict(agreement_of(project))


def _named(
    asks: Question,
    compared: Compared,
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
        others=_people(asks, compared.others, usernames, names),
        gold=_people(asks, known, usernames, names),
    )


def _people(
    asks: Question,
    answers: Mapping[int, list[tuple[Any, Any]]],
    usernames: Mapping[int, str],
    names: Mapping[int, str],
) -> list[PersonConfusion]:
    """Who gave these (answer, right answer), most answers first."""
    people = []
    for user, rows in answers.items():
        counts: Counter[tuple[int | None, int | None]] = Counter()
        for value, right in rows:
            one, other = asks.counted(value), asks.counted(right)
            counts.update(_by_class(one, other) if asks.per_class else [(one[0], other[0])])
        cells = [
            Cell(None if one is None else names[one], None if other is None else names[other], n)
            for (one, other), n in counts.most_common()
        ]
        right = rate(sum(value == expected for value, expected in rows), len(rows))
        people.append(PersonConfusion(usernames[user], right, cells))
    return sorted(people, key=lambda each: (-each.right.n, each.username))


def _by_class(value: list[int], right: list[int]) -> list[tuple[int | None, int | None]]:
    """Each class that was chosen or should have been."""
    one, other = set(value), set(right)
    return [(index if index in one else None, index if index in other else None) for index in sorted(one | other)]
