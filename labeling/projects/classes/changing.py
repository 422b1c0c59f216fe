"""Add, edit, move, merge, split, archive and restore the classes of a project. Each change is recorded; the newest can
be undone.

Every change locks the project's row, so changes come one after the other. Answers keep their class. Labels follow a
merge or a split in the background (`labeling.labels.relabeling`); new answers follow it at once.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext

from labeling.labels import certified, relabeling
from labeling.models import Annotation, ClassChange, Correction, Job, LabelClass, LogKind, Project, Task, User
from labeling.models.project_settings import MAX_CLASSES
from labeling.observing import auditlog
from labeling.projects.classes.common import (
    EDITABLE,
    KINDS_THAT_RELABEL,
    ClassError,
    archive_class,
    class_at,
    enqueue_relabeling,
    fields_of,
    free_key,
    offered_class,
    record_change,
    refuse_for,
    remember_name,
    require_one_more,
    set_fields,
)

MOST_PARTS = 20


@transaction.atomic
def add(*, project: Project, user: User | None, name: str, **details: Any) -> LabelClass:
    """Add a class as the last one, with the lowest free key. Models learn it from the next training on.

    Raises `ValidationError`, by field, or `ClassError`.
    """
    project = Project.objects.locked(project.pk)
    refuse_for(project.asks.fixed_scale)
    if project.classes.count() >= MAX_CLASSES:
        raise ValidationError(
            {
                "name": gettext("This project already has %(most)s classes, the maximum.")
                % {"most": number_format(MAX_CLASSES, force_grouping=True)}
            }
        )
    index = (project.classes.aggregate(last=Max("index"))["last"] or 0) + 1
    added = LabelClass(project=project, index=index, position=index)
    set_fields(added, {"name": name, "key": free_key(project, name.strip()), **details})
    added.save()
    _suspend_certificates(project, added)
    record_change(project, user, ClassChange.Kind.ADDED, f"Added “{added.name}”", [added])
    return added


@transaction.atomic
def edit(*, project: Project, user: User | None, index: int, **fields: Any) -> LabelClass:
    """Change fields of a class that `EDITABLE` names. Raises `ValidationError`, by field, or `ClassError`."""
    project = Project.objects.locked(project.pk)
    edited = class_at(project, index)
    before = fields_of(edited, EDITABLE)
    if "name" in fields and fields["name"].strip() != edited.name:
        refuse_for(project.asks.fixed_scale)
    set_fields(edited, fields)
    after = fields_of(edited, EDITABLE)
    if after == before:
        return edited
    edited.save()
    renamed = before["name"] != edited.name
    if renamed:
        remember_name(project, before["name"], index)
    text = f"Renamed “{before['name']}” to “{edited.name}”" if renamed else f"Changed “{edited.name}”"
    record_change(project, user, ClassChange.Kind.EDITED, text, [edited], before={edited.index: before})
    return edited


@transaction.atomic
def move(*, project: Project, user: User | None, index: int, position: int) -> None:
    """Move a class to this position among the offered classes, counted from 0. Raises `ClassError`."""
    project = Project.objects.locked(project.pk)
    refuse_for(project.asks.fixed_scale)
    moved = offered_class(project, index)
    classes = list(project.classes.offered())
    before = {each.index: {"position": each.position} for each in classes}
    others = [each for each in classes if each.pk != moved.pk]
    order = [*others[:position], moved, *others[position:]]
    if order == classes:
        return
    # Archived classes keep their positions.
    for place, each in enumerate(order):
        each.position = place
    LabelClass.objects.bulk_update(order, ["position"], batch_size=500)
    text = f"Moved “{moved.name}” to place {order.index(moved) + 1}"
    record_change(project, user, ClassChange.Kind.MOVED, text, [moved], before=before)


@transaction.atomic
def merge(*, project: Project, user: User | None, index: int, into: int) -> None:
    """Archive the class `index`, and turn its labels into labels of the class `into`. Answers keep their class.

    Raises `ClassError`.
    """
    project = Project.objects.locked(project.pk)
    refuse_for(project.asks.fixed_classes)
    if index == into:
        raise ClassError(gettext("Choose another class to merge into."))
    source, target = offered_class(project, index), offered_class(project, into)
    require_one_more(project)
    merged_before = dict(project.merged)
    moved = [old for old, new in project.merged.items() if new == source.index]
    project.merged |= dict.fromkeys([str(source.index), *moved], target.index)
    before = archive_class(source)
    project.save(update_fields=["merged"])
    text = f"Merged “{source.name}” into “{target.name}”"
    enqueue_relabeling(project)
    certified.class_changed(project, index, f"{text}.")
    record_change(project, user, ClassChange.Kind.MERGED, text, [source, target], before=before, merged=merged_before)


@transaction.atomic
def split(*, project: Project, user: User | None, index: int, into: Sequence[str]) -> list[LabelClass]:
    """Archive a class, and offer the classes named in `into` in its place. Returns those classes.

    A name that the project does not offer becomes a new class. Items with the archived class as label lose that label,
    and the next batches ask people about these items again. Answers keep their class. Raises `ClassError`, or
    `ValidationError` for a name.
    """
    refuse_for(project.asks.fixed_classes)
    names = list(dict.fromkeys(name.strip() for name in into if name.strip()))
    if not 2 <= len(names) <= MOST_PARTS:
        raise ClassError(gettext("Enter 2 to %(most)s classes to split it into.") % {"most": MOST_PARTS})
    source = offered_class(Project.objects.locked(project.pk), index)
    if source.name in names:
        raise ClassError(
            gettext(
                "“%(name)s” cannot be split into itself. If one of the parts is to keep the name, rename the "
                "class first."
            )
            % {"name": source.name}
        )
    known = {each.name: each for each in project.classes.offered().filter(name__in=names)}
    with auditlog.part_of_one():
        parts = [known.get(name) or add(project=project, user=user, name=name) for name in names]
    project = Project.objects.locked(project.pk)
    project.split = sorted({*project.split, source.index})
    project.save(update_fields=["split"])
    before = archive_class(source)
    text = f"Split “{source.name}” into {', '.join(f'“{each.name}”' for each in parts)}"
    enqueue_relabeling(project)
    certified.class_changed(project, index, f"{text}.")
    record_change(project, user, ClassChange.Kind.SPLIT, text, [source, *parts], before=before)
    return parts


@transaction.atomic
def archive(*, project: Project, user: User | None, index: int) -> None:
    """Stop offering a class. Its labels stay, and models go on learning from them. Raises `ClassError`."""
    project = Project.objects.locked(project.pk)
    refuse_for(project.asks.fixed_classes)
    archived = offered_class(project, index)
    require_one_more(project)
    before = archive_class(archived)
    record_change(project, user, ClassChange.Kind.ARCHIVED, f"Archived “{archived.name}”", [archived], before=before)


@transaction.atomic
def restore(*, project: Project, user: User | None, index: int) -> None:
    """Offer an archived class again, with its key if no other class has it.

    Raises `ClassError` for a merged or split class: undo the merge or split.
    """
    project = Project.objects.locked(project.pk)
    restored = class_at(project, index)
    if str(index) in project.merged:
        raise ClassError(
            gettext("“%(name)s” was merged into another class. Undo the merge instead.") % {"name": restored.name}
        )
    if index in project.split:
        raise ClassError(
            gettext("“%(name)s” was split into other classes. Undo the split instead.") % {"name": restored.name}
        )
    if restored.archived_at is None:
        return
    before = {restored.index: fields_of(restored, ("archived_at", "key"))}
    restored.archived_at = None
    restored.key = free_key(project, restored.key)
    restored.save(update_fields=["archived_at", "key"])
    _suspend_certificates(project, restored)
    record_change(project, user, ClassChange.Kind.RESTORED, f"Restored “{restored.name}”", [restored], before=before)


def _suspend_certificates(project: Project, added: LabelClass) -> None:
    """Suspend certificates where an item may have several classes: no person was asked about this one."""
    if project.asks.per_class:
        certified.class_changed(project, added.index, f"“{added.name}” was added.")


def undoable(project: Project) -> ClassChange | None:
    """Return the newest change that is not undone, if it can be undone. Takes at most four queries.

    None if a training has ended or started since the change, or if a batch asks again about items of a split class.
    """
    change = project.class_changes.filter(undone_at__isnull=True).order_by("-revision").first()
    if change is None or project.versions.filter(created_at__gte=change.created_at).exists():
        return None
    if change.kind == ClassChange.Kind.SPLIT and _asks_items_again(project, change):
        return None
    training = project.jobs.running().filter(kind=Job.Kind.TRAIN, started_at__gte=change.created_at)
    return None if training.exists() else change


def _asks_items_again(project: Project, split: ClassChange) -> bool:
    """Return whether a batch that is not open yet, or was opened after the split, asks people again about labeled
    items.
    """
    again = Task.objects.further().filter(is_gold=False, batch__project=project)
    return again.filter(Q(batch__opened_at=None) | Q(batch__opened_at__gt=split.created_at)).exists()


@transaction.atomic
def undo(*, project: Project, user: User | None, revision: int) -> ClassChange:
    """Undo the newest change. Raises `ClassError` if `revision` is not the change that `undoable` returns."""
    project = Project.objects.locked(project.pk)
    change = undoable(project)
    if change is None or change.revision != revision:
        raise ClassError(gettext("This change can no longer be undone: a later change or training depends on it."))
    if change.kind == ClassChange.Kind.ADDED:
        _remove_added(project, change.classes[0])
    else:
        _restore_fields(project, change)
    if change.kind == ClassChange.Kind.ARCHIVED:
        _suspend_certificates(project, class_at(project, change.classes[0]))
    change.undone_at, change.undone_by = timezone.now(), user
    change.relabels = change.kind in KINDS_THAT_RELABEL
    change.save(update_fields=["undone_at", "undone_by", "relabels"])
    # Open pages compare this revision with their own to see that the classes have changed.
    project.class_revision += 1
    project.save(update_fields=["class_revision"])
    if change.relabels:
        enqueue_relabeling(project)
    auditlog.record(
        LogKind.CLASS_UNDONE, project=project, subject=f"revision {revision}", after={change.kind: change.text}
    )
    return change


def _remove_added(project: Project, index: int) -> None:
    """Remove the class that was added last. Only the last index may become free: `add` counts on from the last index.

    Raises `ClassError` if an answer or a correction has the class.
    """
    added = class_at(project, index)
    answers = Annotation.objects.answers().filter(task__batch__project=project, class_revision__gt=0)
    values = answers.values_list("value", flat=True).iterator(chunk_size=5000)
    corrected = Correction.objects.filter(item__project=project).values_list("value", flat=True)
    both = chain(corrected, values)  # corrections are few
    if any(index in project.asks.classes_in(value) for value in both):
        raise ClassError(
            gettext("“%(name)s” has already been used in answers. Archive it, or merge it into another class.")
            % {"name": added.name}
        )
    added.delete()


def _restore_fields(project: Project, change: ClassChange) -> None:
    """Restore the fields of the classes and the project's merges and splits as they were before the change."""
    names = {fields["name"] for fields in change.before.values() if "name" in fields}
    taken = project.classes.filter(name__in=names).exclude(index__in=[int(index) for index in change.before])
    if taken.exists():
        raise ClassError(gettext("Another class now has the earlier name. Rename that class first."))
    for each in project.classes.filter(index__in=[int(index) for index in change.before]):
        if change.before[str(each.index)].get("name", each.name) != each.name:
            remember_name(project, each.name, each.index)
    for index, fields in change.before.items():
        project.classes.filter(index=int(index)).update(**fields)
    if change.kind == ClassChange.Kind.MERGED:
        project.merged = change.merged_before
        project.save(update_fields=["merged"])
    if change.kind == ClassChange.Kind.SPLIT:
        project.split = [index for index in project.split if index != change.classes[0]]
        project.save(update_fields=["split"])
        relabeling.restore_corrections(change)
