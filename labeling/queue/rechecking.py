"""Ask one more person about tasks that have all their answers and whose label is still in doubt; and close tasks for
whose further answer no person is left, so that they do not hold up their batch.

`labels.resolving.posterior` decides. This module reads the votes for it and counts the further answer on the task. It
applies only to batches with `overlap_max`. What annotators may learn:
docs/decisions/10-overlap-and-resolving.md.
"""

import datetime
import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum

from labeling.labels.resolving.asking import asks_another
from labeling.labels.resolving.outlook import CHECK_SHARE
from labeling.labels.resolving.posterior import ACCURACY, AnswerSpace, ModelVote, Vote
from labeling.models import Ability, Annotation, Assignment, Batch, Membership, Project, Task, WorkLog
from labeling.models.accounts import MembershipQuerySet
from labeling.models.roles import roles_with
from labeling.queue import removing
from labeling.queue.removing import RemovalError
from labeling.storage.db.long_writes import in_parts

logger = logging.getLogger(__name__)

ANOTHER = "another"
"""Stands for any answer other than the prediction. No stored answer equals this text."""

ABSENT_AFTER = datetime.timedelta(minutes=10)
"""Members who have not worked for this long cannot be asked."""
CHUNK = 100

GUESSED_SHARE = 0.5
"""The expected number of further answers per task, until the project has a finished batch to measure it on."""


class UserAnswer(NamedTuple):
    """One standing answer, None for a skip, and its author."""

    user: int
    value: object


def ask_one_more(project: Project, batch: Batch, ids: Collection[int]) -> set[int]:
    """Ask for one more answer to each of these locked tasks whose label is in doubt. Return the ids of these tasks.

    The tasks have all answers that were asked for. A task takes at most `overlap_max` answers. It is not asked again
    if every member who may be asked about items in doubt has answered it, because the batch would never be complete.

    The same rule applies to control and gold tasks, which are asked again as often as all others: see `Task.stand_in`.
    """
    assert batch.overlap_max is not None
    accuracies, asked_in_doubt = members_at_work(project)
    answers = answers_and_skips(ids)
    n_classes = project.classes.count()
    space = AnswerSpace(project.asks.possible(n_classes), project.asks.decisions(n_classes))
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
        model_vote = asking_vote_of(project, task)
        skips = len(of_task) - len(votes)
        if asks_another(votes, skips, space, word=model_vote, confidence=project.label_confidence):
            again.add(task.pk)
    if again:
        Task.objects.filter(pk__in=again).update(
            outstanding=F("outstanding") + 1, free=F("free") + 1, extra=F("extra") + 1
        )
    return again


def who_may_be_asked(project: Project) -> MembershipQuerySet:
    """Return the members who may be asked. A manager may be asked if the manager has labeled in this project."""
    has_labeled = WorkLog.objects.by_people(project).filter(user=OuterRef("user"))
    return Membership.objects.annotators().filter(
        ~Q(role__in=roles_with(Ability.BATCHES_CHANGE)) | Exists(has_labeled), project=project
    )


def members_at_work(project: Project) -> tuple[dict[int, float], set[int]]:
    """Return the accuracy of each member who may be asked, and the members who are asked about items in doubt."""
    people = list(who_may_be_asked(project).values_list("user", "accuracy", "asked_in_doubt"))
    accuracies = {user: ACCURACY if accuracy is None else accuracy for user, accuracy, _ in people}
    return accuracies, {user for user, _, asked in people if asked}


def answers_and_skips(ids: Collection[int]) -> dict[int, list[UserAnswer]]:
    """Return the standing answers and skips of each of these tasks, by time."""
    answers: dict[int, list[UserAnswer]] = {pk: [] for pk in ids}
    standing = Annotation.objects.deciding(with_skips=True).filter(task__in=ids).order_by("created_at")
    for task, user, value in standing.values_list("task", "user", "value"):
        answers[task].append(UserAnswer(user, value))
    return answers


def votes_of(project: Project, answers: Sequence[UserAnswer], accuracies: Mapping[int, float]) -> list[Vote]:
    """Return the votes of these answers, skips left out. A former member's vote has the default accuracy."""
    return [
        Vote(project.asks.key(project.follow(each.value)), accuracies.get(each.user, ACCURACY))
        for each in answers
        if each.value is not None
    ]


def model_vote_of(project: Project, task: Task) -> ModelVote | None:
    """Return the model's prediction at the selection, if it counts towards the item's label.

    None on control tasks, because their labels measure models. None on tasks that ask an item again: the item may be a
    control item, and the prediction already counted on its first task.
    """
    return None if task.is_control or task.repeats_id is not None else _model_vote(project, task, task.confidence)


def asking_vote_of(project: Project, task: Task) -> ModelVote | None:
    """Return the prediction that counts in the decision to ask one more person. Tasks that were not picked for doubt
    use the stand-in for its probability, which never counts towards their label.
    """
    return _model_vote(project, task, task.confidence if task.stand_in is None else task.stand_in)


def _model_vote(project: Project, task: Task, sureness: float | None) -> ModelVote | None:
    """Return the task's prediction with probability `sureness`; if that is negative, another answer with `-sureness`.
    None if annotators saw the prediction and may have followed it, or if one class is not a complete answer.
    """
    if task.predicted is None or sureness is None or task.prompted or project.asks.why_best_class_is_no_answer:
        return None
    if sureness >= 0:
        return ModelVote(project.asks.key(project.follow(project.asks.as_answer(task.predicted))), sureness)
    two = project.asks.possible(project.classes.count()) == 2
    other = project.asks.key(project.asks.as_answer(1 - task.predicted)) if two else ANOTHER
    return ModelVote(other, -sureness)


def is_checked(project: Project) -> Callable[[int], bool]:
    """Return a function from a task's key to whether it is in the random share that one more person always answers."""
    keyed = project.keyed_by("check")
    return lambda pk: int.from_bytes(keyed(pk)[:8], "big") < CHECK_SHARE * 2**64


def close_unanswerable(now: datetime.datetime) -> int:
    """Close the tasks of open batches whose missing answer no member at work can give. Return the number of tasks.

    A further answer is awaited while any task of the batch lacks its first answers, or a member who may give it has
    worked within `ABSENT_AFTER`. Then the task is settled with the answers that it has; a tie waits for a review.
    """
    closed = 0
    at_work = Project.objects.filter(archived_at=None, deleted_at=None).exclude(loop=Project.Loop.PAUSED)
    batches = Batch.objects.open().filter(overlap_max__isnull=False, project__in=at_work)
    for batch in batches.select_related("project"):
        tasks = Task.objects.filter(batch=batch)
        if tasks.lacking_first().exists():
            continue
        for part in in_parts(_unanswerable(batch, now), CHUNK):
            waiting = tasks.filter(pk__in=part).exclude(pk__in=_held(now))  # check again: a member may have claimed one
            try:
                closed += removing.close_open_tasks(waiting)
            except RemovalError as error:
                logger.info("%s: tasks that no member is left to answer stay for now. %s", batch, error)
    return closed


def _unanswerable(batch: Batch, now: datetime.datetime) -> list[int]:
    """Return the ids of tasks that lack answers, have no running lease, and were answered by every member at work who
    may be asked.
    """
    since = now - max(ABSENT_AFTER, datetime.timedelta(seconds=batch.project.lease_seconds))
    at_work = members_at_work(batch.project)[1] & _seen(batch.project, since)
    waiting = Task.objects.filter(batch=batch).unanswered().exclude(pk__in=_held(now))
    keys = list(waiting.values_list("pk", flat=True))
    answers = answers_and_skips(keys)
    return [key for key in keys if at_work <= {each.user for each in answers[key]}]


def _held(now: datetime.datetime) -> QuerySet[Assignment, Any]:
    return Assignment.objects.pending().filter(lease_expires_at__gt=now).values("task")


def _seen(project: Project, since: datetime.datetime) -> set[int]:
    """Return the ids of users who have answered or claimed tasks since then."""
    worked = WorkLog.objects.by_people(project).filter(last_at__gte=since)
    claimed = Assignment.objects.filter(claimed_at__gte=since, task__batch__in=project.batches.active())
    return {*worked.values_list("user", flat=True), *claimed.values_list("user", flat=True)}


def answers_a_task(project: Project) -> float | None:
    """Return answers and skips per task in the newest finished batch with the project's present overlap; None without
    one.
    """
    finished = project.batches.to_people().filter(completed_at__isnull=False, size__gt=0)
    batch = finished.filter(overlap=project.overlap, overlap_max=project.overlap_max).order_by("-number").first()
    return None if batch is None else _answers_of(batch) / batch.size


def expected_answers(project: Project, size: int) -> int | None:
    """Return the number of answers that a batch of this size is expected to take; None if all tasks take the same
    number.
    """
    if project.overlap_max is None:
        return None
    guess = project.overlap + GUESSED_SHARE * min(1, project.overlap_max - project.overlap)
    return max(1, round(size * (answers_a_task(project) or guess)))


def remaining_shown(batch: Batch) -> int:
    """Return the number of tasks that lack answers, as annotators see it.

    In a batch with `overlap_max`, this number follows from the count of answers, not from the tasks: an annotator whose
    answer left the number unchanged would know that the answer was doubted.
    """
    if batch.overlap_max is None or batch.state != Batch.State.OPEN or not batch.answers_expected:
        return batch.remaining
    return max(1, batch.size - math.floor(batch.size * _answers_of(batch) / batch.answers_expected))


def _answers_of(batch: Batch) -> int:
    sums = batch.work.aggregate(answers=Sum("answers", default=0), skips=Sum("skips", default=0))
    return int(sums["answers"] + sums["skips"])


def answers_shown(batch: Batch) -> tuple[int, int]:
    """Return the number of answers and skips, and the number that the batch takes: an estimate if it has
    `overlap_max`.
    """
    if batch.takes_one_answer:
        return batch.size - batch.remaining, batch.size
    answers = _answers_of(batch)
    if batch.state != Batch.State.OPEN:
        return answers, answers or batch.size * batch.overlap
    if batch.overlap_max is None:
        return answers, max(answers, batch.size * batch.overlap)
    return answers, max(answers + 1, batch.answers_expected or 0)


def show_remaining(batches: Iterable[Batch]) -> None:
    """Set `remaining` of these batches, in memory alone, to the number that annotators see."""
    for batch in batches:
        batch.remaining = remaining_shown(batch)
