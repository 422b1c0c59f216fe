"""Write the labels of imported items: each labeled item gets a task without open places, its answers, and its label."""

from __future__ import annotations

import datetime
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from django.contrib.auth.hashers import make_password
from django.db.models import F
from django.utils import timezone

from labeling.answering import batches
from labeling.answering.storing import ANNOTATION
from labeling.db.statements import change_each, insert, stored
from labeling.intake import origins
from labeling.intake.items import NewItem
from labeling.intake.row_labels import ImportedAnswer, Labels
from labeling.models import Annotation, Batch, Correction, Item, ItemImport, Project, Task, User

NOBODY = "imported"
"""The account that gets the labels without answers of an import by command, which has no importer."""

PART = 500
CORRECTION = ("item", "user", "value", "note", "created_at")


class _Answered(NamedTuple):
    """An answer with its stored value and its time."""

    answer: ImportedAnswer
    value: Any
    at: datetime.datetime


@dataclass(frozen=True, slots=True)
class _Import:
    """The values that all items of a chunk share."""

    project: Project
    indices: Mapping[str, int]
    importer: str
    now: datetime.datetime

    def parsed(self, value: Any) -> Any:
        return None if value is None else self.project.asks.parse(value, self.indices)

    def answers(self, labels: Labels) -> list[_Answered]:
        """Return the answers in the order of their times."""
        every = [_Answered(each, self.parsed(each.value), each.at or self.now) for each in labels.answers]
        return sorted(every, key=lambda each: each.at)


@dataclass(slots=True)
class _Settled:
    """An item's answers, its correction if it has one, and the label that follows from them."""

    answers: list[_Answered]
    label: Any
    agreement: float | None
    labeled_at: datetime.datetime | None
    corrected_by: str = ""
    corrected_to: Any = None
    probability: float | None = None
    distribution: list[list[Any]] | None = None


def write_labels(item_import: ItemImport, items: Sequence[NewItem], indices: Mapping[str, int]) -> int:
    """Write the labels and answers of these items. Call it in the transaction that inserts the items, after the insert.

    Returns the number of items with a label.
    """
    if not items:
        return 0
    project = item_import.project
    importer = item_import.created_by.username if item_import.created_by else NOBODY
    shared = _Import(project, indices, importer, timezone.now())
    settled = [_settle(shared, item.draft.labels) for item in items if item.draft.labels]
    origins.record(item_import, _labels(items, settled, indices))
    batch = batches.for_import(item_import=item_import)
    tasks = Task.objects.bulk_create(
        Task(batch=batch, item_id=item.number, rank=batch.size + place, free=0, outstanding=0)
        for place, item in enumerate(items)
    )
    users = _users(chain.from_iterable(_names(each) for each in settled))
    pairs = list(zip(tasks, settled, strict=True))
    _write_answers(project, [(task.pk, answered) for task, each in pairs for answered in each.answers], users)
    _write_corrections([(task.item_key, each) for task, each in pairs if each.corrected_by], users)
    _write_to_items(
        [(task.item_key, each) for task, each in pairs if each.label is not None or each.agreement is not None]
    )
    labeled = sum(each.label is not None for each in settled)
    Batch.objects.filter(pk=batch.pk).update(
        size=F("size") + len(tasks), labeled=F("labeled") + labeled, overlap=project.overlap
    )
    return labeled


def _labels(
    items: Sequence[NewItem], settled: Sequence[_Settled], indices: Mapping[str, int]
) -> list[origins.ImportedLabel]:
    """Return the imported labels; also None for items whose answers amount to no label yet."""
    return [
        origins.ImportedLabel(
            item.fingerprint, each.label, None if item.draft.proposed is None else indices[item.draft.proposed]
        )
        for item, each in zip(items, settled, strict=True)
        if each.label is not None or any(answered.value is not None for answered in each.answers)
    ]


def _settle(shared: _Import, labels: Labels) -> _Settled:
    """Return the answers, the correction and the label to write for a row.

    A label that does not follow from the answers, here or in the project of origin, becomes a correction: by
    `corrected_by`, or else by the importer. A label without answers becomes an answer of the importer.
    """
    project, answers, word = shared.project, shared.answers(labels), shared.parsed(labels.label)
    label = None if word is None else project.follow(word)
    values = [project.follow(each.value) for each in answers if each.value is not None]
    resolved, agreement = project.asks.resolve(values)
    corrected_by = labels.corrected_by
    if labels.resolved and values and not corrected_by:
        resolved, agreement = label, _share(project, values, label)
    elif label is not None and not corrected_by and label != resolved:
        if answers:
            corrected_by = shared.importer
        else:
            answers = [_Answered(ImportedAnswer(None, shared.importer, None, "", 0.0, False, None), word, shared.now)]
            resolved, agreement = label, 1.0
    if not corrected_by:
        at = None if resolved is None else labels.labeled_at or shared.now
        likely = [[project.follow(shared.parsed(value)), p] for value, p in labels.distribution]
        settled = _Settled(answers, resolved, agreement, at)
        if resolved == label:
            settled.probability, settled.distribution = labels.probability, likely or None
        return settled
    agreement = sum(value == label for value in values) / len(values) if values else None
    return _Settled(answers, label, agreement, labels.corrected_at or shared.now, corrected_by, word)


def _share(project: Project, values: Sequence[Any], label: Any) -> float:
    """Return the share of answers that agree with the label; without a label, the share of the most frequent answer."""
    if label is not None:
        return sum(value == label for value in values) / len(values)
    return max(Counter(map(project.asks.key, values)).values()) / len(values)


def _names(settled: _Settled) -> list[str]:
    return [*(answered.answer.annotator for answered in settled.answers), *filter(None, [settled.corrected_by])]


def _users(names: Iterable[str]) -> dict[str, int]:
    """Return the accounts with these names. Missing accounts are created, without a password, a membership or a
    sign-in.
    """
    unique = sorted(set(names))
    users = dict(User.objects.filter(username__in=unique).values_list("username", "pk"))
    missing = [name for name in unique if name not in users]
    if missing:
        User.objects.bulk_create(
            (User(username=name, password=make_password(None), is_active=False) for name in missing),
            ignore_conflicts=True,
        )
        users |= dict(User.objects.filter(username__in=missing).values_list("username", "pk"))
    return users


def _write_answers(project: Project, answers: Sequence[tuple[int, _Answered]], users: Mapping[str, int]) -> None:
    """Insert the answers. An answer gets a new id if another annotation has its id, as the original of a copy does."""
    ids = {answered.answer.id for _, answered in answers if answered.answer.id}
    taken = {
        pk for part in _parts(list(ids)) for pk in Annotation.objects.filter(pk__in=part).values_list("pk", flat=True)
    }
    values = []
    for task, answered in answers:
        answer = answered.answer
        pk = uuid.uuid4() if answer.id is None or answer.id in taken else answer.id
        taken.add(pk)
        values.append(
            (pk, task, users[answer.annotator], answered.value, answer.reason, answer.seconds, answer.flagged,
             answered.at, project.class_revision, 0, False)  # 0: given under another project's guidelines
        )  # fmt: skip
    for part in _parts(values):
        insert(Annotation, ANNOTATION, part)


def _write_corrections(corrected: Sequence[tuple[int, _Settled]], users: Mapping[str, int]) -> None:
    values = [(item, users[each.corrected_by], each.corrected_to, "", each.labeled_at) for item, each in corrected]
    for part in _parts(values):
        insert(Correction, CORRECTION, part)


def _write_to_items(settled: Sequence[tuple[int, _Settled]]) -> None:
    change_each(
        "UPDATE labeling_item SET label = %s, agreement = %s, labeled_at = %s, label_probability = %s, "
        "label_distribution = %s WHERE id = %s",
        [
            (
                stored(Item, "label", each.label),
                each.agreement,
                stored(Item, "labeled_at", each.labeled_at),
                each.probability,
                stored(Item, "label_distribution", each.distribution),
                item,
            )
            for item, each in settled
        ],
    )


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield the values in parts that fit into one statement."""
    for start in range(0, len(values), PART):
        yield values[start : start + PART]
