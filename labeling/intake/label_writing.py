"""Write imported items: each labeled item has its label, a task without open places, and its answers.

Imported labels are traced to the projects that they come from, so that the privacy spent on them counts: by its value
and its item's content, among projects whose labels the importer may export. The importing project then shares the
privacy ledger of the sources. An untraced label may have been trained on without the ledger's knowledge, so untraced
labels are counted.
"""

from __future__ import annotations

import datetime
import uuid
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any, NamedTuple

from django.contrib.auth.hashers import make_password
from django.db.models import F
from django.utils import timezone

from labeling.intake.items import COLUMNS, NewItem, Settled
from labeling.intake.row_labels import UNASKED_SECONDS, ImportedAnswer, Labels
from labeling.loop import batches
from labeling.models import Ability, Annotation, Batch, Correction, Item, ItemImport, Project, Task, User
from labeling.projects.lifecycle import KEPT
from labeling.projects.people import access
from labeling.projects.privacy import families
from labeling.queue.storing import ANNOTATION
from labeling.storage.db.statements import among, converted, insert_many

NOBODY = "imported"
"""The account that gets the labels without answers of an import by command, which has no importer."""

LABEL_ALONE = Labels(None)[1:]
"""The fields of `Labels` behind the first one, for a label without answers."""
PART = 500
"""The ids of one statement."""
NOT_PICKED = {
    "free": 0, "outstanding": 0, "selection": 1, "is_control": False, "asked": False, "prompted": False,
    "prompted_by": "",
}  # fmt: skip
"""The values of a task that no selection picked and that is not served. The other columns have defaults."""
NEW_BITS = 32
"""The last bits of new ids of annotations, which count; the others are random for each transaction."""
CORRECTION = ("item", "user", "value", "note", "created_at")


@dataclass(frozen=True, slots=True)
class _Import:
    """The values that all items of a chunk share."""

    project: Project
    indices: Mapping[str, int]
    importer: str
    now: datetime.datetime

    def parsed(self, value: Any) -> Any:
        return None if value is None else self.project.asks.parse(value, self.indices)

    def answers(self, labels: Labels) -> list[ImportedAnswer]:
        """Return the answers, with the values to be stored, in the order of their times."""
        every = [each._replace(value=self.parsed(each.value), at=each.at or self.now) for each in labels.answers]
        return sorted(every, key=lambda each: each.at or self.now)


def settle(item_import: ItemImport, items: Iterable[NewItem], indices: Mapping[str, int]) -> None:
    """Set `settled` of the items with labels."""
    importer = item_import.created_by.username if item_import.created_by else NOBODY
    shared = _Import(item_import.project, indices, importer, timezone.now())
    by_label: dict[Any, Settled] = {}  # most imports have many items with one of few labels, and nothing else
    for item in items:
        labels = item.draft.labels
        if labels is None:
            continue
        if labels[1:] != LABEL_ALONE:
            item.settled = _settle(shared, labels)
            continue
        key = shared.project.asks.key(labels.label)
        if key not in by_label:
            by_label[key] = _settle(shared, labels)
        item.settled = by_label[key]


def write_items(
    item_import: ItemImport, items: Sequence[NewItem], values: Sequence[Sequence[Any]], indices: Mapping[str, int]
) -> int:
    """Write settled items, and return the number of items with a label. `values`: the result of `rows_of`.

    Call it in a transaction that has not locked the project.
    """
    pairs = [(item, item.settled) for item in items if item.settled]
    if pairs:  # `record_origins` may lock the project
        batches.lock(Batch.objects.filter(imports=item_import, state=Batch.State.IMPORTING))
    record_origins(item_import, _labels(pairs, indices))  # first: it searches the labels that were there before
    insert_many(Item, COLUMNS, values)
    if not pairs:
        return 0
    project = item_import.project
    batch = batches.for_import(item_import=item_import)
    tasks = _write_tasks(batch, [item for item, _ in pairs])
    users = _users(chain.from_iterable(_names(each) for _, each in pairs))
    answers = [(tasks[item.number], answer) for item, each in pairs for answer in each.answers]
    _write_answers(project, answers, users)
    _write_corrections([(item.number, each) for item, each in pairs if each.corrected_by], users)
    labeled = sum(each.label is not None for _, each in pairs)
    Batch.objects.filter(pk=batch.pk).update(
        size=F("size") + len(tasks), labeled=F("labeled") + labeled, overlap=project.overlap
    )
    return labeled


def _write_tasks(batch: Batch, items: Sequence[NewItem]) -> dict[int, int]:
    """Insert a task for each item, ranked after the batch's other tasks. Return the tasks' keys by item."""
    insert_many(
        Task,
        ("batch", "item", "rank", *NOT_PICKED),
        [(batch.pk, item.number, rank, *NOT_PICKED.values()) for rank, item in enumerate(items, batch.size)],
    )
    return dict(batch.tasks.filter(rank__gte=batch.size).order_by().values_list("item", "pk"))


def _labels(pairs: Iterable[tuple[NewItem, Settled]], indices: Mapping[str, int]) -> list[ImportedLabel]:
    """Return the imported labels; also None for items whose answers amount to no label yet."""
    return [
        ImportedLabel(
            item.fingerprint, each.label, None if item.draft.proposed is None else indices[item.draft.proposed]
        )
        for item, each in pairs
        if each.label is not None or any(answer.value is not None for answer in each.answers)
    ]


def _settle(shared: _Import, labels: Labels) -> Settled:
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
        resolved, agreement = label, project.asks.agreement(values, label)
    elif label is not None and not corrected_by and label != resolved:
        if answers:
            corrected_by = shared.importer
        else:
            answers = [ImportedAnswer(None, shared.importer, word, "", UNASKED_SECONDS, False, shared.now)]
            resolved, agreement = label, 1.0
    if not corrected_by:
        at = None if resolved is None else labels.labeled_at or shared.now
        likely = [[project.follow(shared.parsed(value)), p] for value, p in labels.distribution]
        settled = Settled(answers, resolved, agreement, at)
        if resolved == label:
            settled.probability, settled.distribution = labels.probability, likely or None
        return settled
    agreement = project.asks.agreement(values, label)
    return Settled(answers, label, agreement, labels.corrected_at or shared.now, corrected_by, word)


def _names(settled: Settled) -> list[str]:
    return [*(answer.annotator for answer in settled.answers), *filter(None, [settled.corrected_by])]


def _users(names: Iterable[str]) -> dict[str, int]:
    """Return the accounts with these names. New ones have no password, no membership and no sign-in."""
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


def _write_answers(project: Project, answers: Sequence[tuple[int, ImportedAnswer]], users: Mapping[str, int]) -> None:
    """Insert the answers. An answer gets a new id if another annotation has its id, as the original of a copy does."""
    ids = list({answer.id for _, answer in answers if answer.id})
    taken: set[uuid.UUID] = set()
    for start in range(0, len(ids), PART):
        taken.update(Annotation.objects.filter(pk__in=ids[start : start + PART]).values_list("pk", flat=True))
    # New ids follow each other, so that they share pages of the index.
    new = (uuid.UUID(int=number) for number in count(uuid.uuid4().int >> NEW_BITS << NEW_BITS))
    values = []
    for task, answer in answers:
        pk = next(new) if answer.id is None or answer.id in taken else answer.id
        taken.add(pk)
        values.append(
            (pk, task, users[answer.annotator], answer.value, answer.reason, answer.seconds, answer.flagged,
             answer.at, project.class_revision, 0, False)  # 0: given under another project's guidelines
        )  # fmt: skip
    insert_many(Annotation, ANNOTATION, converted(Annotation, ANNOTATION, values))


def _write_corrections(corrected: Sequence[tuple[int, Settled]], users: Mapping[str, int]) -> None:
    values = [(item, users[each.corrected_by], each.corrected_to, "", each.labeled_at) for item, each in corrected]
    insert_many(Correction, CORRECTION, converted(Correction, CORRECTION, values))


MOST_ALIKE = 20
"""Labels of the same content that are compared with each imported label, on average."""


class ImportedLabel(NamedTuple):
    """A stored label, and the fingerprint of its item's content. `proposed` is the class that a verify item asks about.

    The value is None for answers that amount to no label.
    """

    fingerprint: int | None
    value: Any
    proposed: int | None


def record_origins(item_import: ItemImport, labels: Sequence[ImportedLabel]) -> None:
    """Store the origins of labels that are about to be written, and let the project share the ledgers of their sources.

    Call it in the transaction that writes the labels, before that transaction locks the project (`families.lock`).
    """
    if not labels:
        return
    project = item_import.project
    held = _held(labels)
    if item_import.is_copy:  # its labels are those of the original
        holders = [pk for pk in [item_import.copied_from_id] if pk is not None]
        found = [set(holders)] * len(labels)
    else:
        holders = _may_export(item_import, held)
        found = _found(project, labels, {pk: held[pk] for pk in holders})
    sources: set[int] = set().union(*found)
    if sources:
        families.join(project=project, sources=sources)
    # A label is untraced if no project holds it, or if a project that holds it has untraced labels itself.
    doubtful = _untraced(sources)
    untraced = sum(not holding or not holding.isdisjoint(doubtful) for holding in found)
    repeated = 0
    if held:
        # The lock keeps a concurrent import from adding the same labels unseen.
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        repeated = _repeated(labels, _held(labels, of=project.pk)[project.pk], {pk: held[pk] for pk in holders})
    if untraced or repeated:
        ItemImport.objects.filter(pk=item_import.pk).update(
            untraced=F("untraced") + untraced, repeated=F("repeated") + repeated
        )


def _found(
    project: Project, labels: Sequence[ImportedLabel], holders: Mapping[int, Sequence[ImportedLabel]]
) -> list[set[int]]:
    """Return, for each label, the projects that hold it."""
    if not holders:
        return [set() for _ in labels]
    holding: dict[Hashable, set[int]] = defaultdict(set)
    for each in Project.objects.filter(pk__in=holders):
        for key in _keys(each, holders[each.pk]):
            holding[key].add(each.pk)
    keys = _keys(project, labels)
    return [set() if each.fingerprint is None else holding[key] for each, key in zip(labels, keys, strict=True)]


def _held(labels: Sequence[ImportedLabel], *, of: int | None = None) -> dict[int, list[ImportedLabel]]:
    """Return the labels of items with the same content, by project; with `of`, in that project alone. Takes one query.

    Empty if more than `MOST_ALIKE` labels for each imported one have the same content: to compare all would take long.
    """
    fingerprints = {each.fingerprint for each in labels if each.fingerprint is not None}
    # Both databases use the partial index only if the query says that the fingerprint is not null.
    same = Item.objects.labeled().filter(fingerprint__isnull=False, fingerprint__in=among(fingerprints))
    if of is not None:
        same = same.filter(project=of)
    most = MOST_ALIKE * len(labels)
    rows = list(same.values_list("project", "fingerprint", "label", "proposed")[: most + 1])
    held = defaultdict(list)
    for project, *label in rows if len(rows) <= most else []:
        held[project].append(ImportedLabel(*label))
    return held


def _may_export(item_import: ItemImport, held: Iterable[int]) -> list[int]:
    """Return the other projects whose labels the importer may export: an import must not reveal the labels of others.

    An import by command has no importer, and all projects count. Deleted projects count as long as they can be
    restored.
    """
    user, project = item_import.created_by, item_import.project
    others = Project.objects.filter(pk__in=held, question=project.question).exclude(pk=project.pk)
    others = others.exclude(deleted_at__lte=timezone.now() - KEPT)
    if user is not None and not access.is_operator(user):
        others = others.filter(pk__in=user.memberships.who_can(Ability.LABELS_READ).values("project"))
    return list(others.values_list("pk", flat=True))


def _untraced(projects: Iterable[int]) -> set[int]:
    """Return the projects among `projects` that have untraced labels."""
    return set(ItemImport.objects.untraced().filter(project__in=projects).values_list("project", flat=True))


def _repeated(
    labels: Sequence[ImportedLabel], own: Sequence[ImportedLabel], holders: Mapping[int, Sequence[ImportedLabel]]
) -> int:
    """Return the number of labels that repeat a label of the project: the project holds their content more often than
    any source.

    Items that are alike by chance occur as often in the source. A source with repeated labels is left out.
    """
    before = Counter(each.fingerprint for each in own)
    coming = Counter(each.fingerprint for each in labels if each.fingerprint is not None)
    doubtful = set(ItemImport.objects.repeated().filter(project__in=holders).values_list("project", flat=True))
    most: Counter[int | None] = Counter()
    for project, held in holders.items():
        if project not in doubtful:
            most |= Counter(each.fingerprint for each in held)
    return sum(n for content, n in coming.items() if before[content] + n > max(1, most[content]))


def _keys(project: Project, labels: Sequence[ImportedLabel]) -> list[Hashable]:
    """Return a key for each label, equal in all projects: content, value and proposed class, by classes' names."""
    asks = project.asks
    names = project.names_in(
        (each.value for each in labels), (each.proposed for each in labels if each.proposed is not None)
    )

    return [
        (
            each.fingerprint,
            asks.key_by_names(each.value, names),
            None if each.proposed is None else names[each.proposed],
        )
        for each in labels
    ]
