"""Resolve: estimate labels and their probabilities from all answers of the project, before a version learns from them.

Only answers of closed batches take part, which cannot change any more: a run after a killed one gives the same result.
Labels that a manager has corrected stay as they are.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.utils import timezone

from labeling.labels import counting, relabeling
from labeling.labels.resolving import by_class, dawid_skene
from labeling.labels.resolving.asking import worth_asking
from labeling.labels.resolving.one_coin import AnswerTable, Resolved, weigh
from labeling.labels.resolving.posterior import LEAST_SUPPORT
from labeling.loop.step import Step
from labeling.models import Annotation, Batch, Correction, Item, LabelCounts, Membership, Project, Task
from labeling.models.tasks import TaskQuerySet
from labeling.queue import rechecking
from labeling.storage.db.long_writes import in_parts
from labeling.storage.db.statements import change_each, stored

CHUNK = 5000
# Items written in one transaction: other writers wait for its end.
PART = 200
CLOSED = (Batch.State.TRAINING, Batch.State.DONE)
TASK = ("pk", "batch_id", "item_id", "repeats_id", "is_control", "prompted", "predicted", "confidence")
SAME = 1e-6


@dataclass(slots=True)
class _Read:
    """All answers of closed batches as arrays of numbers, and the tasks, users and values behind the numbers."""

    tasks: list[Task] = field(default_factory=list)
    users: dict[int, int] = field(default_factory=dict)
    values: list[Any] = field(default_factory=list)
    answers: AnswerTable | None = None


@dataclass(frozen=True, slots=True)
class _Label:
    """The resolved label of an item; `label` is None if the item is left to a review."""

    label: Any
    agreement: float | None
    probability: float | None
    distribution: list[list[Any]] | None


def resolve(step: Step, project: Project) -> None:
    """Write the labels, their probabilities, and each member's accuracy.

    Does nothing in a project where one person answers each item.
    """
    if not _several_answer(project):
        return
    report = step.progress("weighing the answers", end=0.1)
    report(0)
    read = _read(project)
    if read.answers is None:
        return
    by_confusion = project.resolving == Project.Resolving.DAWID_SKENE
    decisions = project.asks.decisions(project.classes.count())
    if decisions > 1:
        answered: list[Any] = [project.asks.key(value) for value in read.values]
        resolved, sets = by_class.weigh(read.answers, answered, decisions)
        read.values = [project.asks.from_key(each) for each in sets]
    else:
        resolved = dawid_skene.resolve(read.answers) if by_confusion else weigh(read.answers)
    labels = _labels(project, read, resolved, decides=by_confusion or project.overlap_max is not None)
    for part in in_parts(range(len(read.tasks)), PART):
        with step.write():
            _write([read.tasks[place] for place in part], [labels[place] for place in part])
        report(part.stop / len(read.tasks))
    accuracies = {user: round(float(resolved.accuracy[place]), 6) for user, place in read.users.items()}
    worth = worth_asking(accuracies, read.answers.n_values)
    with step.write():
        for user, accuracy in accuracies.items():
            people = Membership.objects.filter(project=project, user=user)
            people.update(accuracy=accuracy, asked_in_doubt=user in worth)


def _several_answer(project: Project) -> bool:
    if project.overlap_max is not None or project.resolving != Project.Resolving.MAJORITY:
        return True
    return project.batches.filter(overlap__gt=1).exists() or project.batches.filter(overlap_max__gt=1).exists()


def _read(project: Project) -> _Read:
    read = _Read()
    closed: TaskQuerySet = Task.objects.filter(batch__project=project, batch__state__in=CLOSED, outstanding=0)
    tasks = closed.deciding()
    every = {task.pk: task for task in tasks.only(*TASK).order_by("pk").iterator(chunk_size=CHUNK)}
    answers = Annotation.objects.deciding().filter(task__in=tasks).order_by("task", "created_at", "pk")
    places: dict[int, int] = {}
    known: dict[Any, int] = {}
    rows = []

    def number(value: Any) -> int:
        key = project.asks.key(value)
        if key not in known:
            known[key] = len(known)
            read.values.append(value)
        return known[key]

    for task, user, value in answers.values_list("task", "user", "value").iterator(chunk_size=CHUNK):
        if task in every:
            place = places.setdefault(task, len(places))
            rows.append((place, read.users.setdefault(user, len(read.users)), number(project.follow(value))))
    if not rows:
        return read
    read.tasks = [every[pk] for pk in places]
    words = [rechecking.model_vote_of(project, task) for task in read.tasks]
    asks = project.asks
    worded = [
        -1 if word is None else number(project.follow(asks.as_answer(task.predicted)))  # type: ignore[arg-type]
        for task, word in zip(read.tasks, words, strict=True)
    ]
    item, person, value = np.array(rows, np.int64).T
    n_values = max(asks.possible(project.classes.count()), len(known))
    read.answers = AnswerTable(
        item, person, value, len(places), len(read.users), n_values,
        np.array(worded, np.int64), np.array([word.probability if word else 0.0 for word in words]),
    )  # fmt: skip
    return read


def _labels(project: Project, read: _Read, resolved: Resolved, *, decides: bool) -> list[_Label]:
    """Return the label of each task: the most probable value if `decides`, else the result of `Question.resolve`.

    On a scale with majority resolving, `Question.resolve` always decides.
    """
    assert read.answers is not None
    of_task: list[list[tuple[int, float]]] = [[] for _ in read.tasks]
    rows = zip(resolved.item.tolist(), resolved.value.tolist(), resolved.probability.tolist(), strict=True)
    for place, value, probability in rows:
        of_task[place].append((value, probability))
    answers: list[list[int]] = [[] for _ in read.tasks]
    for place, value in zip(read.answers.item.tolist(), read.answers.value.tolist(), strict=True):
        answers[place].append(value)
    keys = {project.asks.key(value): number for number, value in enumerate(read.values)}
    keep_order = project.asks.ordered and project.resolving == Project.Resolving.MAJORITY
    return [
        _label(project, read.values, keys, numbers, answers[place], decides=decides and not keep_order)
        for place, numbers in enumerate(of_task)
    ]


def _label(
    project: Project,
    values: Sequence[Any],
    keys: Mapping[Hashable, int],
    numbers: list[tuple[int, float]],
    answers: list[int],
    *,
    decides: bool,
) -> _Label:
    """Return the label of a task. `keys`: the places in `values`, by key."""
    likely = sorted(((p, -value) for value, p in numbers if value < len(values)), reverse=True)
    probabilities = {-value: p for p, value in likely}
    if decides:
        best, probability = -likely[0][1], likely[0][0]
        label = values[best] if probability >= LEAST_SUPPORT else None
        votes = Counter(answers)
        agreement = (votes[best] if label is not None else max(votes.values())) / len(answers)
    else:
        label, share = project.asks.resolve([values[number] for number in answers])
        agreement = share or 0.0
        chosen = None if label is None else keys.get(project.asks.key(label))
        probability = probabilities.get(chosen, 0.0) if chosen is not None else 0.0
    if project.is_split(label):  # the item is asked again
        return _Label(None, None, None, None)
    several = [[values[-value], round(p, 4)] for p, value in likely if p > dawid_skene.LEAST]
    # Store the distribution also if the label is not the result of `Question.resolve`, to explain it.
    telling = len(several) > 1 or (decides and label != project.asks.resolve([values[number] for number in answers])[0])
    return _Label(label, agreement, None if label is None else round(probability, 6), several if telling else None)


def _write(tasks: Sequence[Task], labels: Sequence[_Label]) -> None:
    """Write the labels that differ from the stored ones, and update the counts. The locks keep corrections out."""
    locked = (
        Task.objects.filter(pk__in=[task.pk for task in tasks])
        .select_for_update(no_key=True, of=("self",))
        .order_by("pk")
    )
    held = set(locked.values_list("pk", flat=True))
    items = Item.objects.in_bulk([task.item_key for task in tasks])
    batch_of = dict(Task.objects.filter(item__in=items).values_list("item", "batch"))
    settled = set(Correction.objects.standing().filter(item__in=items).values_list("item", flat=True))
    now = timezone.now()
    rows, changed = [], set()
    for task, new in zip(tasks, labels, strict=True):
        item = items.get(task.item_key)
        if item is None or task.pk not in held or item.pk in settled or _is(item, new):
            continue
        if item.label != new.label:
            changed.add(batch_of[item.pk])
        at = None if new.label is None else item.labeled_at if item.label == new.label else now
        rows.append(
            (stored(Item, "label", new.label), new.agreement, stored(Item, "labeled_at", at), new.probability,
             stored(Item, "label_distribution", new.distribution), item.pk)
        )  # fmt: skip
    if rows:
        with counting.labels_counted([pk for *_, pk in rows]):
            change_each(
                "UPDATE labeling_item SET label = %s, agreement = %s, labeled_at = %s, label_probability = %s, "
                "label_distribution = %s WHERE id = %s",
                rows,
            )
    LabelCounts.objects.filter(batch__in=changed).delete()  # counted before the changes


def _is(item: Item, new: _Label) -> bool:
    """Return whether the item has this label already."""
    old, p = item.label_probability, new.probability
    same = (old is None) == (p is None) and abs((old or 0) - (p or 0)) < SAME
    return same and item.label == new.label and item.label_distribution == new.distribution


def relabel(step: Step) -> None:
    """Resolve the labels again that the project's pending changes of classes affect."""
    report = step.progress("changing labels")
    report(0)
    relabeling.relabel(step.job.project, writing=step.write, progress=report)
    with step.finish():
        pass
