"""The amount, the pace and the quality of each annotator's work."""

import datetime
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from labeling.insight.share_intervals import Proportion
from labeling.insight.work import Worked, worked
from labeling.models import Annotation, Correction, Project, WorkLog
from labeling.models.items import ItemQuerySet
from labeling.queue import gold
from models_store.metrics import wilson

# Quality is estimated from this many newest items, and pace from this many newest answers of each person.
SAMPLE = 2000
PACE_SAMPLE = 500
# The most people in one query for answers.
PEOPLE = 200


@dataclass(frozen=True, slots=True)
class Rate:
    """The number of right answers, with the 95 % interval of their share."""

    right: int
    n: int
    low: Proportion
    high: Proportion

    @property
    def value(self) -> float:
        return self.right / self.n


@dataclass(frozen=True, slots=True)
class Annotator:
    """The work of one annotator.

    `fast`, `median` and `slow` are the quartiles of the seconds per answer, to a tenth of a second, over the newest
    `PACE_SAMPLE` answers. `agreement`: the share of the other people's answers to the same items that equal this
    person's. `control`, `gold`: the share of right answers to control items and to gold items. Each is None without
    answers to judge by.
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
    agreement: Rate | None = None
    control: Rate | None = None
    gold: Rate | None = None


Vote = tuple[int, str, Hashable]
"""One answer in a sample: the item, the username, the key of the value."""


def annotators_of(project: Project, now: datetime.datetime) -> list[Annotator]:
    """Return the people who have answered, most answers first.

    Nine queries: one over the counters; the others read the answers to at most `SAMPLE` items, and at most
    `PACE_SAMPLE` answers of each person.
    """
    work = worked(WorkLog.objects.by_people(project), now, PACE_SAMPLE)
    seconds = _seconds(project, work)
    votes, known = _control_votes(project)
    right = accuracy(votes, known)
    same = agreement(_shared_votes(project))
    known_right = _gold_rates(project)
    annotators = [
        _annotator(
            each,
            seconds[each.user],
            agreement=same.get(each.username),
            control=right.get(each.username),
            gold=known_right.get(each.user),
        )
        for each in work
    ]
    return sorted(annotators, key=lambda each: (-each.answers, each.username))


def _seconds(project: Project, people: Sequence[Worked]) -> dict[int, Counter[int]]:
    """Count, for each person by key, the newest `PACE_SAMPLE` answers by their tenths of a second."""
    counts: dict[int, Counter[int]] = {each.user: Counter() for each in people}
    for start in range(0, len(people), PEOPLE):
        of_each = [
            Q(user=each.user, created_at__gte=each.since) if each.since else Q(user=each.user)
            for each in people[start : start + PEOPLE]
        ]
        answers = Annotation.objects.by_people().filter(reduce(or_, of_each), task__batch__project=project)
        for user, seconds in answers.values_list("user", "seconds"):
            counts[user][round(10 * seconds)] += 1
    return counts


def _annotator(work: Worked, counts: Counter[int], **quality: Rate | None) -> Annotator:
    fast, median, slow = (quantile(counts, share) / 10 for share in (0.25, 0.5, 0.75))
    return Annotator(
        username=work.username,
        answers=work.answers,
        skips=work.skips,
        today=work.today,
        hours=work.seconds / 3600,
        fast=fast,
        median=median,
        slow=slow,
        last_at=work.last_at,
        **quality,
    )


def quantile(counts: Mapping[int, int], share: float) -> int:
    """Return the smallest value that at least `share` of the counted values do not exceed; 0 without values.

    >>> quantile({10: 1, 20: 2, 90: 1}, 0.5)
    20
    """
    enough = share * sum(counts.values())
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= enough and seen:
            return value
    return 0


def accuracy(votes: Iterable[Vote], known: Mapping[int, Hashable]) -> dict[str, Rate]:
    """Return each annotator's share of right answers.

    The right answer to an item that is not in `known` is the most frequent answer of the other people. If they are
    divided, or if there are none, the answer does not count.
    """
    results: dict[str, list[bool]] = defaultdict(list)
    for item, answers in _by_item(votes).items():
        for username, value in answers:
            if item in known:
                results[username].append(value == known[item])
                continue
            most = Counter(other for name, other in answers if name != username).most_common(2)
            if most and (len(most) == 1 or most[0][1] > most[1][1]):
                results[username].append(value == most[0][0])
    return {username: rate(sum(right), len(right)) for username, right in results.items()}


def agreement(votes: Iterable[Vote]) -> dict[str, Rate]:
    """Return, by annotator, the share of other people's answers to the same items that equal the annotator's."""
    same: Counter[str] = Counter()
    pairs: Counter[str] = Counter()
    for answers in _by_item(votes).values():
        times = Counter(value for _, value in answers)
        for username, value in answers:
            same[username] += times[value] - 1
            pairs[username] += len(answers) - 1
    return {username: rate(same[username], n) for username, n in pairs.items() if n}


def rate(right: int, n: int) -> Rate:
    """Return the share with its interval."""
    low, high = wilson(right, n)
    return Rate(right, n, low, high)


def _by_item(votes: Iterable[Vote]) -> dict[int, list[tuple[str, Hashable]]]:
    answers: dict[int, list[tuple[str, Hashable]]] = defaultdict(list)
    for item, username, value in votes:
        answers[item].append((username, value))
    return answers


def _gold_rates(project: Project) -> dict[int, Rate]:
    """Return, for each person by key, the share of right answers to gold items."""
    results: dict[int, list[bool]] = defaultdict(list)
    for answer in gold.answers_of(project):
        results[answer.user].append(answer.is_right)
    return {user: rate(sum(right), len(right)) for user, right in results.items()}


def _control_votes(project: Project) -> tuple[list[Vote], dict[int, Hashable]]:
    """Return the answers to the newest control items, and by item the known answer or else the correction."""
    key = project.asks.key
    items = project.items.control().labeled().order_by("-labeled_at")[:SAMPLE]
    corrections = Correction.objects.standing().filter(item__in=items.values("pk"))
    known = {item: key(value) for item, value in corrections.values_list("item", "value")}
    rows = list(_answers_to(items).values_list("task__item", "user__username", "value", "task__item__truth"))
    known |= {item: key(truth) for item, _, _, truth in rows if truth is not None}
    return [(item, username, key(value)) for item, username, value, _ in rows], known


def _shared_votes(project: Project) -> list[Vote]:
    """Return the answers to the newest items of batches that ask several people."""
    several = Q(overlap__gt=1) | Q(overlap_max__gt=1)
    shared = list(project.batches.to_people().filter(several).values_list("pk", flat=True))
    if not shared:  # else the query would read all labeled items
        return []
    labeled = project.items.labeled().filter(task__batch__in=shared).order_by("-labeled_at")[:SAMPLE]
    # Ties have no label; without them the agreement would be too high.
    undecided = project.items.undecided().filter(task__batch__in=shared).order_by("-pk")[:SAMPLE]
    return [
        (item, username, project.asks.key(value))
        for items in (labeled, undecided)
        for item, username, value in _answers_to(items).values_list("task__item", "user__username", "value")
    ]


def _answers_to(items: ItemQuerySet) -> Any:
    return Annotation.objects.by_people().filter(task__item__in=items.values("pk"))
