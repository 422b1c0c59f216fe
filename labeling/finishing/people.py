"""The share of people's answers, and of the labels that follow from them, taken to be wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
from django.db.models import Avg, Count

from labeling.finishing.certifying.people import Share, chance_missed, standardized, true_shares, upper_error
from labeling.labels.label_counts import NO_CLASS, counts_of
from labeling.labels.resolving.outlook import Rule, outlook
from labeling.labels.resolving.posterior import ACCURACY, AnswerSpace
from labeling.models import Project, Task
from labeling.questions import Question
from labeling.queue import gold
from labeling.queue.gold import GoldAnswer
from labeling.queue.rechecking import who_may_be_asked

USUAL_ERROR = 0.03
"""The share of wrong answers, if the project has measured none."""

PRIOR_WRONG = 1.5
"""The weight of the usual error against answers to gold items: as if people had been seen to be wrong so often."""

LEAST_GOLD = 20
"""Answers to gold items from which their own upper bound counts."""

LEAST_OF_CLASS = 5
"""Gold items of a class from which people's errors on it count by themselves; other classes count together."""

MOST_OF_ITEM = 6
"""The first answers to a gold item that count for labels: pairs of all answers of a large team would take a second."""

NEWEST_LABELS, LEAST_LABELS, MOST_LABELS = 200, 100, 2000
"""The label error is measured on the newest done batches with the first number of tasks together, if as many labels as
the second have a probability; at most the third are read. Older labels were given beside worse models. The last labels
of a batch alone would mislead: they are those of doubtful items, which are asked again."""

HIGHEST = 0.49


@dataclass(frozen=True, slots=True)
class PeopleErrors:
    """Shares that are wrong.

    answer : of single answers, as an expectation.
    answer_at_most : the same as an upper bound, if gold items measure it.
    label : of labels by the present rule for the number of answers, as an expectation.
    label_at_most : the same as an upper bound, if gold items measure it. Else None: `label` then takes mistakes of
        several people on one item to be independent.
    shared : whether answers to gold items contradict this independence. `label` then follows from them.
    coincidence : the probability that a person's wrong answer equals the model's wrong label.
    people : how many may be asked; None if that does not matter.
    decisions : the classes of an item among which errors spread, where each class is a decision of its own; else 1.
    """

    answer: float
    answer_at_most: float
    label: float
    coincidence: float
    people: int | None = None
    decisions: int = 1
    label_at_most: float | None = None
    shared: bool = False

    def stated_for(self, by_class: bool) -> PeopleErrors:
        """Return the errors about one class if a goal `by_class` needs them, and these errors in all other cases."""
        if not by_class or self.decisions == 1:
            return self
        n = self.decisions
        return replace(
            self,
            answer=self.answer / n,
            answer_at_most=self.answer_at_most / n,
            label=self.label if self.shared else self.label / n,  # people may share a mistake about a single class
            coincidence=min(self.coincidence * n, 1.0),
            decisions=1,
        )

    @property
    def missed(self) -> float:
        """The probability that an audit takes a wrong label for a right one."""
        return chance_missed(self.answer_at_most, self.coincidence, self.people)


def errors_of(project: Project) -> PeopleErrors:
    """Return the errors of the project's people, from gold items, agreement or experience. At most eleven queries."""
    known = gold.answers_of(project)
    wrong = sum(not answer.is_right for answer in known)
    people = list(who_may_be_asked(project).values_list("accuracy", flat=True))
    accuracies = [accuracy for accuracy in people if accuracy is not None]
    classes = project.classes.offered().count()
    space = AnswerSpace(project.asks.possible(classes), project.asks.decisions(classes))
    usual = 1 - (1 - USUAL_ERROR) ** space.decisions
    if len(known) >= LEAST_GOLD:
        answer = (wrong + PRIOR_WRONG) / (len(known) + PRIOR_WRONG / usual)
        at_most = upper_error(wrong, len(known))
    else:
        answer = at_most = 1 - sum(accuracies) / len(accuracies) if accuracies else usual
    several = project.overlap > 1 or project.overlap_max is not None
    label = _measured(project) if several else answer
    if label is None:
        rule = Rule(project.overlap, project.overlap_max, project.label_confidence)
        believed = [ACCURACY if each is None else each for each in people] or [ACCURACY]
        label = min(answer, _wrong_by(rule, tuple(believed), space))
    errors = PeopleErrors(
        answer=min(answer, HIGHEST),
        answer_at_most=min(at_most, HIGHEST),
        label=label,
        coincidence=1 / (space.decisions if project.asks.per_class else max(space.values - 1, 1)),
        people=len(people),
        decisions=space.decisions,
    )
    return errors if len(known) < LEAST_GOLD else _with_gold(errors, project, known, several=several)


def _with_gold(errors: PeopleErrors, project: Project, known: list[GoldAnswer], *, several: bool) -> PeopleErrors:
    """Return the errors with the bound of the label error that gold items give, and with the error that they show if
    independent mistakes do not explain it.

    Two answers to an item decide its label if they agree, and the model's word counts like an answer. So with `several`
    answers a label is taken to be wrong as often as two people agree on a wrong answer. With few items that two people
    answered, or with batches that asked one, the bound counts each wrong answer, as if all made the same mistakes.
    """
    by_item: dict[int, list[GoldAnswer]] = defaultdict(list)
    for answer in known:
        by_item[answer.item].append(answer)
    twice = [answers for answers in by_item.values() if len(answers) > 1]
    once = project.batches.to_people().filter(overlap=1, overlap_max=None, labeled__gt=0)
    in_pairs = several and len(twice) >= LEAST_GOLD and not once.exists()
    measured = _on_gold(project, twice, together=2) if in_pairs else _on_gold(project, list(by_item.values()))
    errors = replace(errors, label_at_most=min(max(measured.most, errors.label), 1.0))
    if measured.least <= errors.label or several != in_pairs:
        return errors
    if not several:
        return replace(errors, label=measured.expected)
    repeated = measured.expected / _on_gold(project, twice).expected  # how often a second person is wrong alike
    return replace(errors, label=measured.expected, shared=True, coincidence=max(errors.coincidence, repeated))


def _on_gold(project: Project, items: list[list[GoldAnswer]], *, together: int = 1) -> Share:
    """Return the share of labels for which this number of people together give the same wrong answer, for the classes
    of people's labels; from the answers to each gold item, at least `together`. At most four queries.
    """
    asks = project.asks
    strata = _Strata(asks, [answers[0].known for answers in items])
    confusion = np.zeros((strata.size, strata.size))  # the known answer by the one that decides the label
    wrong, n = np.zeros(strata.size), np.zeros(strata.size)
    for answers in items:
        truth = strata.of(answers[0].known)
        n[truth] += 1
        groups = list(combinations(answers[:MOST_OF_ITEM], together))
        for first, *others in groups:
            agreed = not first.is_right and all(each.value == first.value for each in others)
            wrong[truth] += agreed / len(groups)
            confusion[truth, strata.of(first.value) if agreed else truth] += 1 / len(groups)
    labels = np.zeros(strata.size)
    for index, count in counts_of(asks, project.batches.select_related("label_counts")).classes.items():
        labels[strata.of_index(index)] += count
    seen = n > 0
    weights = n[seen] / n.sum()
    if labels[seen].any():
        weights = true_shares(confusion[np.ix_(seen, seen)], labels[seen])
    return standardized(wrong[seen], n[seen], weights)


class _Strata:
    """The classes with enough gold items, and one stratum for all others. Sets of classes are one stratum."""

    def __init__(self, asks: Question, known: list[Any]) -> None:
        self._asks = asks
        counts = Counter(self._index(value) for value in known)
        self._places = {index: at for at, index in enumerate(i for i, n in counts.items() if n >= LEAST_OF_CLASS)}
        self.size = len(self._places) + 1

    def of(self, value: Any) -> int:
        return self.of_index(self._index(value))

    def of_index(self, index: int) -> int:
        return 0 if self._asks.per_class else self._places.get(index, self.size - 1)

    def _index(self, value: Any) -> int:
        return 0 if self._asks.per_class else next(iter(self._asks.counted(value)), NO_CLASS)


def _measured(project: Project) -> float | None:
    """Return the expected share of wrong ones among labels of the newest batches; None if few have a probability."""
    batches: list[int] = []
    tasks = 0
    # A batch's labels have probabilities once it is done. Imported labels tell nothing of the people here.
    done = project.batches.to_people().filter(done_at__isnull=False).order_by("-number")
    for pk, size in done.values_list("pk", "size")[:NEWEST_LABELS]:
        if tasks >= NEWEST_LABELS:
            break
        batches.append(pk)
        tasks += size
    # The newest first, and by id, which tells nothing of an item: `labeling.steps.batch_tasks.write_tasks` draws them.
    sample = Task.objects.picked().filter(batch__in=batches).order_by("-pk")[:MOST_LABELS].values("item")
    labels = project.items.labeled().filter(pk__in=sample, label_probability__isnull=False)
    figures = labels.order_by().aggregate(n=Count("pk"), probability=Avg("label_probability"))
    return 1 - figures["probability"] if figures["n"] >= LEAST_LABELS else None


@lru_cache(maxsize=64)
def _wrong_by(rule: Rule, accuracies: tuple[float, ...], space: AnswerSpace) -> float:
    """Return the share of wrong labels by this rule. Each process caches it: a simulation takes a tenth of a second."""
    return outlook(rule, accuracies, space).wrong
