"""Trace imported labels to the projects that they come from, so that the privacy spent on them counts.

A label is traced by its value and its item's content, among projects whose labels the importer may export. The
importing project then shares the privacy ledger of the sources. An untraced label may have been trained on without the
ledger's knowledge, so untraced labels are counted.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db.models import F
from django.utils import timezone

from labeling.models import Ability, Item, ItemImport, Project
from labeling.projects.lifecycle import KEPT
from labeling.projects.people import access
from labeling.projects.privacy import families
from labeling.storage.db.statements import among

MOST_ALIKE = 20
"""Labels of the same content that are compared with each imported label, on average."""


class ImportedLabel(NamedTuple):
    """A stored label, and the fingerprint of its item's content. `proposed` is the class that a verify item asks about.

    The value is None for answers that amount to no label.
    """

    fingerprint: int | None
    value: Any
    proposed: int | None


def record(item_import: ItemImport, labels: Sequence[ImportedLabel]) -> None:
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
