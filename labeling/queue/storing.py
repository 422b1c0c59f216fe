"""Store accepted answers, count them on their tasks and write labels, within the caller's transaction.

A gold task takes the same statements as any other task, and a skipped gold task is replaced like any other: neither the
time of a reply nor a number identifies it.
"""

from __future__ import annotations

import datetime
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from django.utils import timezone

from labeling.labels import comments, counting, item_labels
from labeling.loop import batches
from labeling.loop.table import BatchEvent
from labeling.models import Annotation, Batch, ClassProposal, Job, Project, User
from labeling.models.classes import folded
from labeling.queue import copy_answers, rechecking
from labeling.queue.answer import Answer
from labeling.queue.assignments import TasksChanged
from labeling.storage.db.statements import change, insert, marks, rows

ANNOTATION = (
    "id", "task", "user", "value", "skip_reason", "seconds", "flagged", "created_at", "class_revision",
    "guidelines_version", "sampled",
)  # fmt: skip


def store(project: Project, answers: Mapping[Batch, Mapping[int, Answer]], user: User) -> bool:
    """Store the answers, by batch and task id, and count them. Return whether they completed a batch.

    Raises `TasksChanged` if a batch has ended early meanwhile.
    """
    finished = {batch: _store(project, batch, of_batch, user) for batch, of_batch in answers.items()}
    labels = {batch: _write_labels(project, batch, answers[batch], tasks) for batch, tasks in finished.items() if tasks}
    full = _count(finished, [each.changes for each in labels.values()])
    for batch in full:
        batches.advance(batch, BatchEvent.ANSWERED)
    if project.replace_skips and any(each.skipped for batch, each in labels.items() if batch not in full):
        Job.objects.enqueue(Job.Kind.REPLACE, project=project)
    return bool(full)


def _store(project: Project, batch: Batch, answers: Mapping[int, Answer], user: User) -> list[_Counted]:
    """Store the answers, by task id, to tasks of one batch. Return the tasks that have all their answers now."""
    now = timezone.now()
    _insert(project, answers, user, now)
    skips = sum(answer.value is None for answer in answers.values())
    seconds = sum(answer.seconds for answer in answers.values())
    counting.add(batch, user, now, answers=len(answers) - skips, skips=skips, seconds=seconds)
    counted = _count_down(answers)
    shown = {task.id: task.picked or task.repeated for task in counted}
    comments.write_annotators_comments(
        user, [(shown[pk], each.id, each.comment) for pk, each in answers.items() if each.comment]
    )
    copy_answers.store_copy_answers(
        copy_answers.AnswerToCopies(shown[pk], each.id, each.same, each.different)
        for pk, each in answers.items()
        if each.value is not None
    )
    finished = [task for task in counted if not task.outstanding]
    if finished and batch.overlap_max is not None:
        doubted = rechecking.ask_one_more(project, batch, [task.id for task in finished])
        finished = [task for task in finished if task.id not in doubted]
    return finished


class _Counted(NamedTuple):
    """An answered task: the item that it `picked` or asks again (`repeated`), the number of missing answers, and
    whether the picked item has a standing correction, which stays its label.
    """

    id: int
    picked: int
    repeated: int
    is_gold: bool
    outstanding: int
    corrected: bool


def _insert(project: Project, answers: Mapping[int, Answer], user: User, now: datetime.datetime) -> None:
    """Store the answers and the classes that annotators proposed with them."""
    revision, drawn = project.class_revision, _drawn_for_review(project)
    insert(
        Annotation,
        ANNOTATION,
        [
            (
                answer.id,
                pk,
                user.pk,
                answer.value,
                answer.skip_reason,
                answer.seconds,
                answer.flagged or bool(answer.comment),
                now,
                revision,
                answer.guidelines_version,
                answer.value is not None and drawn(answer.id),
            )
            for pk, answer in answers.items()
        ],
    )
    if proposals := [each for each in answers.values() if each.proposed_class]:
        insert(
            ClassProposal,
            ("project", "annotation", "name", "key"),
            [(project.pk, each.id, each.proposed_class, folded(each.proposed_class)) for each in proposals],
        )


def _count_down(tasks: Collection[int]) -> list[_Counted]:
    """Reduce `outstanding` of each of these tasks by one. Raises `TasksChanged` if the batch is not open any more."""
    counted = rows(
        f"""
        UPDATE labeling_task SET outstanding = outstanding - 1 WHERE id IN ({marks(len(tasks))})
        AND EXISTS (SELECT 1 FROM labeling_batch b WHERE b.id = labeling_task.batch_id AND b.state = 'open')
        RETURNING id, item_id, repeats_id, is_gold, outstanding, EXISTS (
            SELECT 1 FROM labeling_correction c WHERE c.item_id = labeling_task.item_id AND c.withdrawn_at IS NULL
        )
        """,
        list(tasks),
    )
    if len(counted) < len(tasks):
        raise TasksChanged
    return [_Counted._make(row) for row in counted]


class _Labels(NamedTuple):
    """The `changes` of `Batch.labeled`, by batch id, and whether annotators have `skipped` a task."""

    changes: Counter[int]
    skipped: bool


def _write_labels(
    project: Project, batch: Batch, answers: Mapping[int, Answer], finished: Sequence[_Counted]
) -> _Labels:
    """Write the labels of the `finished` tasks of one batch, which have all their answers, and count them.

    A task is of one of three sorts, and each has its own rule. A task that picked its item gives the item its label,
    unless a manager has corrected it; the label counts in this batch. A task that asks an item again gives it a label,
    too, but the label counts in the batch that picked the item: `counting.label_changes` finds that batch. A gold task
    gives no label, because the answer was known before; its answers are kept to measure people.
    """
    ids = [task.id for task in finished]
    picked = {task.id: task.picked for task in finished if task.picked is not None}
    again = {task.id: task.repeated for task in finished if task.repeated is not None and not task.is_gold}
    values = {pk: [answers[pk].value] for pk in ids} if batch.takes_one_answer else item_labels.answers_to(ids)
    with counting.label_changes(again.values()) as changes:
        gained = item_labels.write_labels(project, {**picked, **again}, values)
        labeled = sum(task.id in gained for task in finished if task.picked is not None and not task.corrected)
    changes[batch.pk] += labeled
    if batch.further:
        gold = {task.id: task.repeated for task in finished if task.is_gold and task.repeated is not None}
        item_labels.keep_gold_labels(project, gold, values)
    return _Labels(changes, any(all(value is None for value in values[pk]) for pk in ids))


def _count(finished: Mapping[Batch, Sequence[_Counted]], labels: Iterable[Counter[int]]) -> list[Batch]:
    """Count the finished tasks and the changes of labels on their batches. Return the batches without an open task.

    Call it last, because other submits wait for these rows until the transaction ends. Updates the batches in the order
    of `batches.lock`.
    """
    tasks = {batch.pk: (batch, len(of_batch)) for batch, of_batch in finished.items() if of_batch}
    labeled = Counter[int]()
    for changes in labels:
        labeled.update(changes)
    full = []
    for pk in sorted(tasks.keys() | labeled.keys()):
        if pk not in tasks:  # a task of another batch asks an item of this one again
            change("UPDATE labeling_batch SET labeled = labeled + %s WHERE id = %s", [labeled[pk], pk])
            continue
        batch, counted = tasks[pk]
        left = rows(
            "UPDATE labeling_batch SET remaining = remaining - %s, labeled = labeled + %s "
            "WHERE id = %s AND state = 'open' RETURNING remaining",
            [counted, labeled[pk], pk],
        )
        if not left:
            raise TasksChanged  # the batch has ended early since the tasks were read
        if left[0][0] == 0:
            full.append(batch)
    return full


def _drawn_for_review(project: Project) -> Callable[[uuid.UUID], bool]:
    """Return a function that tells whether the annotation with an id is in the random share for the reviewers.

    The project's secret keys the draw, so the annotator, whose client makes the id, cannot predict it.
    """
    if not project.review_share:
        return lambda key: False
    keyed, limit = project.keyed_by("review"), project.review_share * 2**64
    return lambda key: int.from_bytes(keyed(key)[:8], "big") < limit
