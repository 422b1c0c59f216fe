"""A manager's corrections of labels: make, replace and withdraw them.

A standing correction is the item's label. The annotators' answers stay unchanged: when a manager withdraws the
correction, the label follows from the answers again.

Rows are locked in the queue's order, the task first, so that corrections and undos of the same task run one after the
other.
"""

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from labeling.labels import certified, counting, item_labels
from labeling.models import Correction, Item, LogKind, Task, User
from labeling.models.refusals import Refused
from labeling.observing import auditlog
from labeling.questions import InvalidValue, Stored


class CorrectionError(Refused):
    """The item cannot be corrected now."""


@transaction.atomic
def correct(*, item: Item, user: User, value: Stored, note: str = "") -> Correction:
    """Make `value`, which is valid for the project, the item's label in place of the annotators' answers.

    A `value` equal to the label confirms it. An earlier correction is withdrawn and kept; the same correction by the
    same user changes nothing. Raises `CorrectionError` if `value` does not fit the item's content, if no batch has
    taken the item and it has no certified label, or if its task lacks answers and it has no correction.
    """
    task = _lock_settled_task(item)
    project = task.batch.project
    if project.asks.checks_content:
        try:
            project.asks.check_content(value, item.data)
        except InvalidValue as error:
            raise CorrectionError("invalid", str(error)) from None
    standing = Correction.objects.standing().filter(item=item).first()
    if standing is not None:
        if (standing.user_id, standing.value, standing.note) == (user.pk, value, note):
            return standing
        _withdraw(standing, user)
    made = Correction.objects.create(item=item, user=user, value=value, note=note)
    before = Item.objects.values_list("label", flat=True).get(pk=item.pk)
    answers, label = _answers(task), project.follow(value)
    with counting.labels_counted([item.pk]):
        Item.objects.filter(pk=item.pk).update(
            label=label,
            agreement=project.asks.agreement(answers, label),
            labeled_at=made.created_at,
            label_probability=None,
            label_distribution=None,
            again_at=None,
            sent_back=False,
        )
    certified.corrected(item)
    after = {"label": label}
    subject = f"item {item.pk}"
    auditlog.record(LogKind.LABEL_CORRECTED, project=project, subject=subject, before={"label": before}, after=after)
    return made


@transaction.atomic
def withdraw(*, item: Item, user: User) -> None:
    """Withdraw the standing correction and resolve the label from the annotators' answers again.

    Raises `CorrectionError` if the item has no standing correction.
    """
    task = _lock_settled_task(item)
    standing = Correction.objects.standing().filter(item=item).first()
    if standing is None:
        raise CorrectionError("not_corrected", gettext("This item has no correction to withdraw."))
    _withdraw(standing, user)
    project = task.batch.project
    label, agreement = project.asks.resolve(_answers(task)) if task.has_all_answers else (None, None)
    with counting.labels_counted([item.pk]):
        Item.objects.filter(pk=item.pk).update(
            label=label, agreement=agreement, labeled_at=None if label is None else timezone.now()
        )
    certified.drop_unasked(task)
    before, after = {"label": project.follow(standing.value)}, {"label": label}
    subject = f"item {item.pk}"
    auditlog.record(LogKind.CORRECTION_WITHDRAWN, project=project, subject=subject, before=before, after=after)


def _lock_settled_task(item: Item) -> Task:
    """Return the item's task, locked against answers and undos until the transaction ends.

    Raises `CorrectionError` if no batch has taken the item, or its task lacks answers and it has no correction.
    """
    tasks = Task.objects.of_items([item.pk]).deciding().select_related("batch__project")
    task = tasks.select_for_update(no_key=True, of=("self",)).first() or certified.task_to_correct(item)
    if task is None:
        raise CorrectionError(
            "not_asked",
            gettext(
                "This item has not been in a batch yet, so it has no label to correct. It can still be picked and "
                "labeled."
            ),
        )
    # An annotator may undo an answer under a correction, which stays the label and can still be replaced or withdrawn.
    if not task.has_all_answers and not Correction.objects.standing().filter(item=item).exists():
        raise CorrectionError(
            "still_open", gettext("People are still answering this item. Correct it when it has all its answers.")
        )
    return task


def _answers(task: Task) -> list[Any]:
    return [task.batch.project.follow(answer) for answer in item_labels.answers_to([task.pk])[task.pk]]


def _withdraw(standing: Correction, user: User) -> None:
    ended = Correction.objects.standing().filter(pk=standing.pk)
    if not ended.update(withdrawn_at=timezone.now(), withdrawn_by=user):  # cannot happen while the task is locked
        raise CorrectionError("conflict", gettext("Another person has just corrected this item. Reload the page."))
