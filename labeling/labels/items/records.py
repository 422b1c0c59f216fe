"""Items with their answers, classes and corrections: the content that every member may see, a line for each item of a
list, and the whole record of one item.
"""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Min, Q
from django.db.models.functions import Coalesce
from django.urls import reverse

from labeling import kinds
from labeling.labels.items.item_filters import State
from labeling.models import (
    Annotation,
    AuditDraw,
    Certificate,
    CertifiedLabel,
    Copy,
    Correction,
    Item,
    ModelVersion,
    Project,
    Removal,
    Task,
)

Names = dict[int, str]


@dataclass(slots=True)
class ItemLine:
    """An item as lists show it. `answers`: (annotator, seconds) of each answer or skip, in the order of their times.

    `out_again`: people are being asked about the item again.
    """

    item: Item
    answers: list[tuple[str, float]] = field(default_factory=list)
    flagged: bool = False
    corrected: bool = False
    out_again: bool = False

    @property
    def task(self) -> Task | None:
        return task_of(self.item)

    @property
    def state(self) -> State | None:
        return state_of(self.item, out_again=self.out_again)

    @property
    def certified(self) -> CertifiedLabel | None:
        return certified_of(self.item)


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """The whole record of one item.

    Parameters
    ----------
    task: the item's task in its batch; None if no batch has taken the item.
    decides: the task whose answers make the label.
    checks: the answers to gold tasks with the item.
    annotations: all other annotations, undone ones too.
    corrections, removals: the newest first.
    names: the names of the classes that occur, by index.
    near_copy: the near-copy relation that gives the item another item's label.
    """

    item: Item
    task: Task | None
    decides: Task | None
    checks: list[Annotation]
    annotations: list[Annotation]
    corrections: list[Correction]
    removals: list[Removal]
    names: Names
    near_copy: Copy | None = None

    @property
    def certified(self) -> CertifiedLabel | None:
        return certified_of(self.item)

    @property
    def correction(self) -> Correction | None:
        """The correction that is not withdrawn."""
        return next((each for each in self.corrections if each.withdrawn_at is None), None)

    @property
    def flagged(self) -> bool:
        return any(each.flagged and each.undone_at is None for each in self.annotations)

    @property
    def state(self) -> State | None:
        return state_of(self.item, out_again=self.decides is not self.task and not self.can_be_corrected)

    @property
    def predicted(self) -> Any:
        """The prediction when the item was picked: a class's name, or yes or no; None without a prediction."""
        if self.task is None or self.task.predicted is None:
            return None
        return self.item.project.asks.predicted(self.task.predicted, self.names)

    @property
    def removal(self) -> Removal | None:
        """The removal that has not ended."""
        return next((each for each in self.removals if each.ended_at is None), None)

    def learned_by(self, versions: Iterable[ModelVersion]) -> list[int]:
        """Return the numbers of the versions that were trained on the item. Select the versions' batches with them."""
        if self.task is None or self.item.reserved or self.item.label is None:
            return []
        answered = any(each.undone_at is None and each.value is not None for each in self.annotations)
        known_at = None if answered or not self.corrections else self.corrections[-1].created_at
        learned = []
        for version in versions:
            began = version.created_at - datetime.timedelta(seconds=version.seconds)
            out = any(
                each.created_at <= began and (each.ended_at is None or each.ended_at > began) for each in self.removals
            )
            late = known_at is not None and known_at > began
            if version.last_batch >= self.task.batch.number and not out and not late:
                learned.append(version.number)
        return sorted(learned)

    @property
    def can_be_corrected(self) -> bool:
        if self.decides is None:
            return self.certified is not None
        return self.decides.has_all_answers or self.correction is not None


def media_url(project: Project, item: Item) -> str | None:
    """Return the address of the item's file; None if the item has no file."""
    has_file = kinds.of(project).is_file and item.media
    return reverse("api:item-media", args=[project.slug, item.pk]) if has_file else None


def content_of(project: Project, item: Item) -> dict[str, Any]:
    """Return the content of an item, which all members may see at any time. It does not reveal the item's role in a
    batch.
    """
    return {"external_id": item.external_id, "data": item.data, "media_url": media_url(project, item)}


def task_of(item: Item) -> Task | None:
    """Return the item's task; None if no batch has taken the item. Takes one query unless the task was selected with
    the item.
    """
    return item.task if hasattr(item, "task") else None


def certified_of(item: Item) -> CertifiedLabel | None:
    """Return the certified label that takes the place of a label by people. Takes one query unless
    `certified_label__certificate` was selected with the item.
    """
    label: CertifiedLabel | None = getattr(item, "certified_label", None)
    stands = label is not None and item.label is None and item.excluded_at is None and label.certificate.stands
    return label if stands else None


def state_of(item: Item, *, out_again: bool) -> State | None:
    """Return the state of the item, as in the filter `state`. `out_again`: people are being asked about the item again.

    None for an item that is not encoded yet, and for an item that was unanswered when its batch ended.
    """
    task = task_of(item)
    if item.label is not None:
        return State.LABELED
    if item.again_at is not None or out_again:
        return State.AGAIN
    if task is None:
        if item.row is None:
            return State.UNREADABLE if item.encode_error else None
        return State.UNLABELED if item.excluded_at is None else State.EXCLUDED
    if task.outstanding == 0:
        return State.SKIPPED if item.agreement is None else State.UNDECIDED
    return State.OPEN if task.batch.state == "open" else None


def lines_of(project: Project, ids: Sequence[int]) -> tuple[list[ItemLine], Names]:
    """Return the items with these ids, in this order, and the names of the classes that occur. Takes five queries."""
    items = project.items.select_related("task__batch", "certified_label__certificate").in_bulk(ids)
    lines = {pk: ItemLine(items[pk]) for pk in ids if pk in items}
    tasks = Task.objects.of_items(list(lines))
    answers = Annotation.objects.standing().filter(task__in=tasks).order_by("created_at", "pk")
    shown = Coalesce("task__item", "task__repeats")
    for item, username, seconds, flagged in answers.values_list(shown, "user__username", "seconds", "flagged"):
        lines[item].answers.append((username, seconds))
        lines[item].flagged |= flagged
    for item in Correction.objects.standing().filter(item__in=list(lines)).values_list("item", flat=True):
        lines[item].corrected = True
    for item in tasks.further().unanswered().values_list("repeats", flat=True):
        lines[item].out_again = True
    labels = [line.certified.value if line.certified else line.item.label for line in lines.values()]
    return list(lines.values()), project.names_in(labels)


def record_of(project: Project, item_id: int) -> ItemRecord:
    """Return the whole record of one item. Raises `Item.DoesNotExist`. Takes six queries."""
    with_label = ("as_copy", "certified_label__certificate__audit__version")
    item = project.items.select_related("task__batch__selected_by", "task__audit_draw", *with_label).get(pk=item_id)
    task = task_of(item)
    tasks = list(Task.objects.filter(Q(item=item) | Q(repeats=item)).select_related("batch").order_by("pk"))
    annotations = Annotation.objects.filter(task__in=tasks).select_related("user").order_by("created_at", "pk")
    gold = {each.pk for each in tasks if each.is_gold}
    decides = next((each for each in reversed(tasks) if not each.is_gold), None)
    decides = task if task is not None and decides == task else decides
    checks = [each for each in annotations if each.task_id in gold]
    deciding = [each for each in annotations if each.task_id not in gold]
    corrections = list(item.corrections.select_related("user", "withdrawn_by").order_by("-pk"))
    removals = list(item.removals.select_related("user", "ended_by").order_by("-pk"))
    copy = Copy.objects.propagated().filter(item=item).select_related("of", "item").first()
    values = [
        item.label,
        copy.of.label if copy else None,
        item.certified_label.value if certified_of(item) else None,
        *(each.value for each in annotations),
        *(each.value for each in corrections),
    ]
    if task is not None and task.predicted is not None:
        values.append(project.asks.as_answer(task.predicted))
    also = [] if item.proposed is None else [item.proposed]
    return ItemRecord(
        item, task, decides, checks, deciding, corrections, removals, project.names_in(values, also), copy
    )


def learned_by(project: Project, ids: Sequence[int]) -> list[int]:
    """Return the numbers of the model versions that may have learned from one of these items."""
    first = project.items.filter(pk__in=ids, reserved=False).labeled().aggregate(n=Min("task__batch__number"))["n"]
    versions = project.versions.none() if first is None else project.versions.select_related("batch")
    return sorted(version.number for version in versions if version.last_batch >= first)


def certified_by(project: Project, ids: Sequence[int]) -> list[int]:
    """Return the numbers of the certificates that cover one of these items, or whose audits asked about one."""
    covers = Q(pk__in=CertifiedLabel.objects.filter(item__in=ids).values("certificate"))
    asked = Q(audit__in=AuditDraw.objects.filter(task__item__in=ids).values("audit"))
    certificates = Certificate.objects.filter(covers | asked, project=project)
    return list(certificates.order_by("number").values_list("number", flat=True))
