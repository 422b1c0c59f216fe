"""One more answer where it is worth its price: which tasks are asked of another person when all their answers are in.

What decides is `labeling.resolving.posterior`; here is what it stands on, and what becomes of it. Only batches with
`overlap_max` come here. What annotators may know of it: docs/decisions/0049-overlap-that-earns-its-price.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db.models import Exists, F, OuterRef, Q, Sum

from labeling.models import Ability, Annotation, Batch, Membership, Project, Task, WorkLog
from labeling.models.batches import IMPORTED
from labeling.models.roles import roles_with
from labeling.resolving.posterior import ACCURACY, Vote, Word, asks_another

ANOTHER = "another"
"""Stands for an answer that is not the predicted one. No answer is stored as this text."""

GUESSED_SHARE = 0.5
"""Answers beyond the overlap that a task takes, until a batch has shown."""


class Answer(NamedTuple):
    """One standing answer, None for a skip, and its author."""

    user: int
    value: object


def ask_again(project: Project, batch: Batch, ids: Collection[int]) -> set[int]:
    """Give those of these locked tasks one more place whose label is in doubt. Returns which.

    They have all answers that were asked for. None is asked of more people than the batch's `overlap_max`, nor where
    nobody who is asked about items in doubt is left: a batch must not wait for nobody.

    Control and gold tasks are asked again by the same rule, and as often, as others: see `Task.stand_in`.
    """
    assert batch.overlap_max is not None
    accuracies, asked_in_doubt = members_at_work(project)
    answers = answers_to(ids)
    n_values = project.asks.possible(project.classes.count())
    checked = is_checked(project)
    again = set()
    for task in Task.objects.filter(pk__in=ids):
        of_task = answers[task.pk]
        if batch.overlap + task.extra >= batch.overlap_max or asked_in_doubt <= {each.user for each in of_task}:
            continue
        if not task.extra and checked(task.pk):
            again.add(task.pk)
            continue
        votes = votes_of(project, of_task, accuracies)
        word = asking_word_of(project, task)
        skips = len(of_task) - len(votes)
        if asks_another(votes, skips, n_values=n_values, word=word, confidence=project.label_confidence):
            again.add(task.pk)
    if again:
        Task.objects.filter(pk__in=again).update(
            outstanding=F("outstanding") + 1, free=F("free") + 1, extra=F("extra") + 1
        )
    return again


def members_at_work(project: Project) -> tuple[dict[int, float], set[int]]:
    """How accurate each member is who may be asked, and which of them are asked about items in doubt. A manager may
    be asked after labeling here.
    """
    has_labeled = WorkLog.objects.filter(batch__project=project, user=OuterRef("user"))
    members = Membership.objects.annotators().filter(
        ~Q(role__in=roles_with(Ability.BATCHES_CHANGE)) | Exists(has_labeled), project=project
    )
    people = list(members.values_list("user", "accuracy", "asked_in_doubt"))
    accuracies = {user: ACCURACY if accuracy is None else accuracy for user, accuracy, _ in people}
    return accuracies, {user for user, _, asked in people if asked}


def answers_to(ids: Collection[int]) -> dict[int, list[Answer]]:
    """The standing answers and skips of each of these tasks, in the order in which they came."""
    answers: dict[int, list[Answer]] = {pk: [] for pk in ids}
    standing = Annotation.objects.standing().filter(task__in=ids).order_by("created_at")
    for task, user, value in standing.values_list("task", "user", "value"):
        answers[task].append(Answer(user, value))
    return answers


def votes_of(project: Project, answers: Sequence[Answer], accuracies: Mapping[int, float]) -> list[Vote]:
    """The answers among these, without skips. Who is no member any more counts like somebody unknown."""
    return [
        Vote(project.asks.key(project.follow(each.value)), accuracies.get(each.user, ACCURACY))
        for each in answers
        if each.value is not None
    ]


def word_of(project: Project, task: Task) -> Word | None:
    """What the model took the item for when the task was picked, if that may count towards its label.

    Not on control tasks, whose labels models are measured by. An item that is asked again may be a control item, and
    had its word already.
    """
    return None if task.is_control or task.repeats_id is not None else _word(project, task, task.confidence)


def asking_word_of(project: Project, task: Task) -> Word | None:
    """The word that counts when one more person may be asked: the model's, or the stand-in on tasks that were not
    picked for doubt. It never counts towards the label of such a task.
    """
    return _word(project, task, task.confidence if task.stand_in is None else task.stand_in)


def _word(project: Project, task: Task, sureness: float | None) -> Word | None:
    """The prediction of the task with this certainty; of a negative one, another answer. None where people were shown
    the prediction, and may have followed it, and where a class is no whole answer.
    """
    if task.predicted is None or sureness is None or task.prompted or project.asks.best_is_no_answer:
        return None
    if sureness >= 0:
        return Word(project.asks.key(project.follow(project.asks.as_answer(task.predicted))), sureness)
    two = project.asks.possible(project.classes.count()) == 2
    other = project.asks.key(project.asks.as_answer(1 - task.predicted)) if two else ANOTHER
    return Word(other, -sureness)


def is_checked(project: Project) -> Callable[[int], bool]:
    """Whether a task, by its key, is one of the random share that is always asked of one more person."""
    keyed, share = project.keyed_by("check"), project.check_share
    return lambda pk: int.from_bytes(keyed(pk)[:8], "big") < share * 2**64


def answers_a_task(project: Project) -> float | None:
    """Answers and skips that a task took in the newest finished batch of the kind that is being asked now."""
    finished = project.batches.exclude(strategy=IMPORTED).filter(completed_at__isnull=False, size__gt=0)
    batch = finished.filter(overlap=project.overlap, overlap_max=project.overlap_max).order_by("-number").first()
    return None if batch is None else _answers_of(batch) / batch.size


def expected_answers(project: Project, size: int) -> int | None:
    """Answers that a batch of this size is expected to take; None where each task gets the same number."""
    if project.overlap_max is None:
        return None
    guess = project.overlap + GUESSED_SHARE * min(1, project.overlap_max - project.overlap)
    return max(1, round(size * (answers_a_task(project) or guess)))


def told_remaining(batch: Batch) -> int:
    """The tasks that lack answers, as annotators are told.

    Where a task may be asked again they are told how much is left by the number of answers that are in, which is the
    same whatever was answered, and to which task: whose figure stood still would know that his answer was doubted.
    """
    if batch.overlap_max is None or batch.state != Batch.State.OPEN or not batch.answers_expected:
        return batch.remaining
    return max(1, batch.size - math.floor(batch.size * _answers_of(batch) / batch.answers_expected))


def _answers_of(batch: Batch) -> int:
    sums = batch.work.aggregate(answers=Sum("answers", default=0), skips=Sum("skips", default=0))
    return int(sums["answers"] + sums["skips"])


def answers_shown(batch: Batch) -> tuple[int, int]:
    """Answers and skips that are in, and how many the batch takes; of one that may ask more people, about how many."""
    if batch.takes_one_answer:
        return batch.size - batch.remaining, batch.size
    answers = _answers_of(batch)
    if batch.state != Batch.State.OPEN:
        return answers, answers or batch.size * batch.overlap
    if batch.overlap_max is None:
        return answers, max(answers, batch.size * batch.overlap)
    return answers, max(answers + 1, batch.answers_expected or 0)


def tell(batches: Iterable[Batch]) -> None:
    """Make what these batches, in memory, say of their remaining tasks what annotators are told."""
    for batch in batches:
        batch.remaining = told_remaining(batch)
