"""A manager's word on what an item is: said, replaced, withdrawn.

While a correction stands it is the item's label. What the annotators answered is never rewritten: a correction that is
withdrawn gives the word back to them.

Rows are locked as the queue locks them, the task first: a correction and somebody who takes his answer back at the same
moment wait for each other, and so do two corrections.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from labeling.answering import counting
from labeling.models import Annotation, Correction, Item, Task, User
from labeling.questions import Stored


class CorrectionError(Exception):
    """The item cannot be corrected now; `code` is for programs."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@transaction.atomic
def correct(*, item: Item, user: User, value: Stored, note: str = "") -> Correction:
    """Make `value`, valid for the project, the item's label, whatever the annotators answered.

    The label that it has already is confirmed in this way. A correction that stood is withdrawn and kept; the same word
    of the same user again changes nothing. Raises `CorrectionError` for an item that nobody has been asked about, or
    whose answers are still coming in.
    """
    task = _lock_settled_task(item)
    standing = Correction.objects.standing().filter(item=item).first()
    if standing is not None:
        if (standing.user_id, standing.value, standing.note) == (user.pk, value, note):
            return standing
        _end(standing, user)
    made = Correction.objects.create(item=item, user=user, value=value, note=note)
    project = task.batch.project
    answers, label = [project.follow(answer) for answer in _answers(task)], project.follow(value)
    agreement = sum(answer == label for answer in answers) / len(answers) if answers else None
    with counting.labels_counted([item.pk]):
        Item.objects.filter(pk=item.pk).update(
            label=label,
            agreement=agreement,
            labeled_at=made.created_at,
            label_probability=None,
            label_distribution=None,
            again_at=None,
            sent_back=False,
        )
    return made


@transaction.atomic
def withdraw(*, item: Item, user: User) -> None:
    """Take the standing correction back: the label is again what the annotators' answers amount to.

    Raises `CorrectionError` if none stands.
    """
    task = _lock_settled_task(item)
    standing = Correction.objects.standing().filter(item=item).first()
    if standing is None:
        raise CorrectionError("not_corrected", "No correction of this item stands: there is nothing to withdraw.")
    _end(standing, user)
    project = task.batch.project
    label, agreement = project.asks.resolve([project.follow(answer) for answer in _answers(task)])
    with counting.labels_counted([item.pk]):
        Item.objects.filter(pk=item.pk).update(
            label=label, agreement=agreement, labeled_at=None if label is None else timezone.now()
        )


def _lock_settled_task(item: Item) -> Task:
    """The item's task, locked until the transaction ends: nobody answers it or takes an answer back meanwhile."""
    tasks = Task.objects.of_items([item.pk]).deciding().select_related("batch__project")
    task = tasks.select_for_update(no_key=True, of=("self",)).first()
    if task is None:
        raise CorrectionError(
            "not_asked",
            "No batch has taken this item yet, so there is no label to correct. It can still be picked and labeled.",
        )
    if not task.has_all_answers:
        raise CorrectionError(
            "still_open", "People are still answering this item. Correct it when it has all its answers."
        )
    return task


def _answers(task: Task) -> list[Any]:
    """The answers that stand, in the order in which they were given."""
    return list(Annotation.objects.answers().filter(task=task).order_by("created_at").values_list("value", flat=True))


def _end(standing: Correction, user: User) -> None:
    ended = Correction.objects.standing().filter(pk=standing.pk)
    if not ended.update(withdrawn_at=timezone.now(), withdrawn_by=user):  # impossible while the task is locked
        raise CorrectionError("conflict", "Somebody else corrected this item at the same moment. Look at it again.")
