"""How much each annotator has done, how fast, and how well as far as that can be told."""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, FloatField, IntegerField, Max, Q, Sum
from django.db.models.functions import Cast, Round

from labeling.insight.certainty import interval
from labeling.models import Annotation, Correction, Project
from labeling.models.items import ItemQuerySet

# The newest so many items tell how well people answer.
SAMPLE = 2000


@dataclass(frozen=True, slots=True)
class Share:
    """`right` of `n`, with the 95 % interval."""

    right: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.right / self.n


@dataclass(frozen=True, slots=True)
class Annotator:
    """`fast`, `median` and `slow` are the quartiles of the seconds that an answer took, to a tenth of a second.

    `agreement` is the share of the others' answers to the same items that were the same; `control` that of answers to
    control items that were right. None where there is nothing to tell it by.
    """

    username: str
    answers: int
    skips: int
    today: int
    hours: float
    fast: float
    median: float
    slow: float
    last_at: datetime.datetime
    agreement: Share | None = None
    control: Share | None = None


# One answer in a sample: the item, who gave it, what.
Vote = tuple[int, str, Any]


def annotators_of(project: Project, now: datetime.datetime) -> list[Annotator]:
    """Everybody who has answered, most answers first. Four queries: one counts over all annotations, the others read
    the answers to at most `SAMPLE` items.
    """
    paces = _paces(project, now)
    votes, known = _control_votes(project)
    right = accuracy(votes, known)
    same = agreement(_shared_votes(project))
    found = [
        _annotator(username, rows, agreement=same.get(username), control=right.get(username))
        for username, rows in paces.items()
    ]
    return sorted(found, key=lambda each: (-each.answers, each.username))


def _paces(project: Project, now: datetime.datetime) -> dict[str, list[dict[str, Any]]]:
    """For each annotator how many answers took so many tenths of a second; skips have none."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = (
        Annotation.objects.standing()
        .filter(task__batch__project=project)
        .order_by()
        .annotate(tenths=Cast(Round(Cast("seconds", FloatField()) * 10), IntegerField()))
        .values("user__username", "tenths")
        .annotate(
            answers=Count("pk", filter=Q(value__isnull=False)),
            skips=Count("pk", filter=Q(value__isnull=True)),
            today=Count("pk", filter=Q(value__isnull=False, created_at__gte=midnight)),
            total=Sum("seconds"),
            last=Max("created_at"),
        )
    )
    paces: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        paces[row["user__username"]].append(dict(row))
    return paces


def _annotator(username: str, rows: list[dict[str, Any]], **quality: Share | None) -> Annotator:
    counts = {row["tenths"]: row["answers"] for row in rows}
    fast, median, slow = (quantile(counts, share) / 10 for share in (0.25, 0.5, 0.75))
    return Annotator(
        username=username,
        answers=sum(row["answers"] for row in rows),
        skips=sum(row["skips"] for row in rows),
        today=sum(row["today"] for row in rows),
        hours=sum(row["total"] for row in rows) / 3600,
        fast=fast,
        median=median,
        slow=slow,
        last_at=max(row["last"] for row in rows),
        **quality,
    )


def quantile(counts: Mapping[int, int], share: float) -> int:
    """The smallest value that at least `share` of the counted ones do not exceed; 0 if there is none.

    >>> quantile({10: 1, 20: 2, 90: 1}, 0.5)
    20
    """
    wanted = share * sum(counts.values())
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted and seen:
            return value
    return 0


def accuracy(votes: Iterable[Vote], known: Mapping[int, Any]) -> dict[str, Share]:
    """For each annotator the share of answers that were right.

    An item that is not known is judged by what most of the others answered: never by one's own answer. Where the
    others are divided, or there are none, the answer tells nothing and does not count.
    """
    results: dict[str, list[bool]] = defaultdict(list)
    for item, given in _by_item(votes).items():
        for username, value in given:
            if item in known:
                results[username].append(value == _key(known[item]))
                continue
            most = Counter(other for name, other in given if name != username).most_common(2)
            if most and (len(most) == 1 or most[0][1] > most[1][1]):
                results[username].append(value == most[0][0])
    return {username: _share(sum(right), len(right)) for username, right in results.items()}


def agreement(votes: Iterable[Vote]) -> dict[str, Share]:
    """For each annotator the share of the others' answers to the same items that were the same as his."""
    same: Counter[str] = Counter()
    pairs: Counter[str] = Counter()
    for given in _by_item(votes).values():
        times = Counter(value for _, value in given)
        for username, value in given:
            same[username] += times[value] - 1
            pairs[username] += len(given) - 1
    return {username: _share(same[username], n) for username, n in pairs.items() if n}


def _share(right: int, n: int) -> Share:
    low, high = interval(right, n)
    return Share(right, n, low, high)


def _by_item(votes: Iterable[Vote]) -> dict[int, list[tuple[str, Hashable]]]:
    found: dict[int, list[tuple[str, Hashable]]] = defaultdict(list)
    for item, username, value in votes:
        found[item].append((username, _key(value)))
    return found


def _key(value: Any) -> Hashable:
    return tuple(value) if isinstance(value, list) else value


def _control_votes(project: Project) -> tuple[list[Vote], dict[int, Any]]:
    """The answers to the newest control items, and what is known of these: the known answer, or else a correction."""
    items = project.items.control().labeled().order_by("-labeled_at")[:SAMPLE]
    known = dict(Correction.objects.standing().filter(item__in=items.values("pk")).values_list("item", "value"))
    rows = list(_answers_to(items).values_list("task__item", "user__username", "value", "task__item__truth"))
    known |= {item: truth for item, _, _, truth in rows if truth is not None}
    return [row[:3] for row in rows], known


def _shared_votes(project: Project) -> list[Vote]:
    """The answers to the newest items that several people were asked about."""
    items = project.items.labeled().filter(task__batch__overlap__gt=1).order_by("-labeled_at")[:SAMPLE]
    return list(_answers_to(items).values_list("task__item", "user__username", "value"))


def _answers_to(items: ItemQuerySet) -> Any:
    return Annotation.objects.answers().filter(task__item__in=items.values("pk"))
