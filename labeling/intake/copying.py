"""Copy the items of a project, on request with their labels, into another project with the same classes: an import
without a file. Excluded items are not copied.

The media of a part are stored before the transaction that writes the part. A killed copy continues after the last
written item. Labels are imported like those of a file, and the copies get their own ids and control keys.
"""

import time
from collections import defaultdict
from collections.abc import Sequence

from django.db.models import F

from labeling import kinds
from labeling.intake.chunk_writing import Part, write_part
from labeling.intake.drafts import Draft
from labeling.intake.items import NewItem, numbers_for
from labeling.intake.row_labels import ImportedAnswer, Labels
from labeling.loop.step import Step, StepFailed
from labeling.models import Annotation, Correction, Item, ItemImport, Project, Task
from labeling.outside import references
from labeling.projects import quota
from labeling.storage import media

# Items in one transaction: other writers wait for its end.
PART = 50
FLOAT_BYTES = 4


def copy_parts(step: Step, item_import: ItemImport) -> bool:
    """Copy the remaining items. Returns False if the step gave way to other steps before the last item."""
    project = step.job.project
    names = dict(project.classes.values_list("index", "name"))
    report = step.progress("copying", of=item_import.name)
    while True:
        began = time.monotonic()
        original = _original(item_import)
        left = original.items.kept().filter(pk__gt=item_import.copied_up_to)
        items = list(left.order_by("pk")[:PART])
        if not items:
            return True
        _copy_part(step, item_import, items, names)
        report(item_import.position / max(item_import.total or 0, item_import.position))
        if step.should_give_way():
            step.give_way()
            return False
        time.sleep(0.5 * (time.monotonic() - began))  # others who write get their turn


def _original(item_import: ItemImport) -> Project:
    """Return the original project. Raises `StepFailed` if it is deleted."""
    copied_from = item_import.copied_from_id
    original = None if copied_from is None else Project.objects.filter(pk=copied_from).first()
    if original is None:
        raise StepFailed("The project that is being copied was removed. The items copied so far stay.")
    if original.deleted_at is not None:
        raise StepFailed(f"{original.name}, which is copied, was deleted. Restore it, then retry.")
    return original


def _copy_part(step: Step, item_import: ItemImport, originals: Sequence[Item], names: dict[int, str]) -> None:
    project = step.job.project
    asks = project.asks
    labeled = [each for each in originals if each.label is not None] if item_import.with_labels else []
    labels = _labels(project, labeled, names)
    numbers = numbers_for(item_import, len(originals), estimate=item_import.total or len(originals))
    copies = []
    for number, each in zip(numbers, originals, strict=True):
        proposed = None if each.proposed is None else names[each.proposed]
        truth = asks.show(each.truth, names)
        suggestion = asks.show(each.suggestion, names)
        draft = Draft(each.external_id, each.data, truth, proposed, labels=labels.get(each.pk), suggestion=suggestion)
        name = media.share(each.media, project.pk) if each.media else ""
        copies.append(NewItem(number, draft, each.source, name, each.media_offset, each.fingerprint))
    if any(each.media for each in copies):
        media.flush()
    size = _media_bytes(project, copies)
    quota.check_room(project, size, items=len(copies))
    kept = references.share([each.media for each in originals], project.pk)
    part = Part(copies, {name: index for index, name in names.items()}, numbers, size, kept)
    done = {"position": F("position") + len(copies), "copied_up_to": originals[-1].pk}
    write_part(step, item_import, project, part, **done)


def _media_bytes(project: Project, copies: Sequence[NewItem]) -> int:
    """Return the bytes of media to count for these items; as in an import, a shared file counts for each of its
    items. Encoding counts what is stored of a file at a source.
    """
    if kinds.of(project).is_file:
        names = (each.media for each in copies if each.media and not references.is_reference(each.media))
        return sum(media.size_of(name) for name in names)
    return sum(FLOAT_BYTES * (project.vector_length or 0) for each in copies if each.media)


def _labels(project: Project, items: Sequence[Item], names: dict[int, str]) -> dict[int, Labels]:
    """Return the labels of these items with their answers and corrections, as in an export. Takes two queries."""
    ids = [each.pk for each in items]
    answers: dict[int, list[ImportedAnswer]] = defaultdict(list)
    standing = Annotation.objects.standing().filter(task__in=Task.objects.of_items(ids)).order_by("created_at", "pk")
    for each in standing.select_related("user", "task"):
        value = project.asks.show(each.value, names)
        answers[each.task.item_key].append(
            ImportedAnswer(
                None, each.user.username, value, each.skip_reason, each.seconds, each.flagged, each.created_at
            )
        )
    corrections = Correction.objects.standing().filter(item__in=ids).select_related("user")
    corrected = {each.item_id: each for each in corrections}
    labels = {}
    for item in items:
        correction = corrected.get(item.pk)
        likely = tuple((project.asks.show(value, names), p) for value, p in item.label_distribution or ())
        labels[item.pk] = Labels(
            label=project.asks.show(correction.value if correction else item.label, names),
            answers=tuple(answers[item.pk]),
            corrected_by=correction.user.username if correction else "",
            corrected_at=correction.created_at if correction else None,
            labeled_at=item.labeled_at,
            probability=item.label_probability,
            distribution=likely,
            resolved=correction is None,
        )
    return labels
