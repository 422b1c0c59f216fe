"""Example items of a class, shown to annotators beside the description of the class.

Only an item with a settled label from a finished batch can be an example, so that no annotator is asked about an item
whose label is on show. Control items can be examples like other items, so examples do not reveal the control tasks.
"""

from collections.abc import Mapping, Sequence

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext

from labeling.models import Batch, ClassExample, Item, LabelClass, LogKind, Project, Task, User
from labeling.observing import auditlog
from labeling.projects.classes.common import ClassError, class_at

MAX_EXAMPLES = 6
OVER = (Batch.State.TRAINING, Batch.State.DONE)


@transaction.atomic
def choose(*, project: Project, user: User, index: int, item: Item) -> None:
    """Show the item as an example of the class with this index; no change if it is one. Raises `ClassError`."""
    # The lock keeps two requests from passing `MAX_EXAMPLES` together.
    project = Project.objects.locked(project.pk)
    label_class = class_at(project, index)
    if why := _why_not(project, label_class, Item.objects.get(pk=item.pk)):
        raise ClassError(why)
    others = label_class.examples.exclude(item=item)
    if others.count() >= MAX_EXAMPLES:
        raise ClassError(
            gettext("“%(name)s” has %(most)s examples already. Remove one of them first.")
            % {"name": label_class.name, "most": MAX_EXAMPLES}
        )
    _, created = ClassExample.objects.get_or_create(label_class=label_class, item=item, defaults={"user": user})
    if created:
        auditlog.record(LogKind.CLASS_EXAMPLE, project=project, subject=f"class {index}", after={"item": item.pk})


@transaction.atomic
def remove_example(*, project: Project, index: int, item: Item) -> None:
    """Stop showing the item as an example of the class. Raises `ClassError` if the item is not an example of it."""
    if not class_at(project, index).examples.filter(item=item).delete()[0]:
        raise ClassError(gettext("This item is not an example of that class."))
    auditlog.record(LogKind.CLASS_EXAMPLE, project=project, subject=f"class {index}", before={"item": item.pk})


def examples_of(project: Project, label_class: LabelClass | None = None) -> Mapping[int, list[Item]]:
    """Return the example items by the index of their class, in the order in which they were chosen. Takes one query.

    Left out: excluded items, gold items, and items whose label has changed to another class.
    """
    rows = ClassExample.objects.all() if label_class is None else label_class.examples.all()
    shown: dict[int, list[Item]] = {}
    for row in _shown(project, rows):
        shown.setdefault(row.label_class.index, []).append(row.item)
    return shown


def file_name(project: Project, item_id: int) -> str:
    """Return the storage name of the item's file if the item is shown as an example, or else "". Takes one query."""
    shown = _shown(project, ClassExample.objects.filter(item=item_id))
    return shown[0].item.media if shown else ""


def _shown(project: Project, chosen: QuerySet[ClassExample]) -> list[ClassExample]:
    """Return the examples among `chosen` that annotators see, with their items, in the order in which they were
    chosen.
    """
    rows = chosen.filter(label_class__project=project, item__excluded_at__isnull=True, item__gold__isnull=True)
    return [
        row
        for row in rows.select_related("label_class", "item").order_by("pk")
        if is_of(project, row.item, row.label_class.index)
    ]


def is_of(project: Project, item: Item, index: int) -> bool:
    """Return whether the item's label is this class, or a list with this class."""
    return index in _indices(project, item)


def classes_of(project: Project, item: Item) -> list[LabelClass]:
    """Return the classes in the item's label. Takes one query at most."""
    indices = _indices(project, item)
    return list(project.classes.filter(index__in=indices).order_by("position", "index")) if indices else []


def _indices(project: Project, item: Item) -> Sequence[int]:
    return [] if item.label is None else project.asks.classes_of(item.label, item.proposed)


def _why_not(project: Project, label_class: LabelClass, item: Item) -> str:
    task = Task.objects.select_related("batch").filter(item=item).first()
    if item.label is None and (task is None or not task.has_all_answers):
        return gettext("This item has no answer yet. As an example, it would reveal the answer.")
    if task is None or task.batch.state not in OVER:
        return gettext("This item's batch is still open: answers can still change. Wait until the batch is done.")
    if not is_of(project, item, label_class.index):
        text = gettext("This item's label is not “%(name)s”. Correct the label first, if it is wrong.")
        return text % {"name": label_class.name}
    if item.gold is not None:
        return gettext("This is a gold item. As an example, it would reveal its answer to the annotators it checks.")
    if item.excluded_at is not None:
        return gettext("This item is excluded or deleted. Include it again first.")
    return ""
